/** Stands in for Atlassian's feature-gate client: every gate is closed and nothing is fetched. */
const FeatureGates = {
  initializeCompleted: () => true,
  checkGate: () => false,
  getExperimentValue: <Value>(_experiment: string, _parameter: string, fallback: Value) => fallback,
};

export default FeatureGates;
