/** Closes every Atlaskit feature gate; imported first, because packages ask while they load. */
import { setBooleanFeatureFlagResolver } from '@atlaskit/platform-feature-flags';

setBooleanFeatureFlagResolver(() => false);
