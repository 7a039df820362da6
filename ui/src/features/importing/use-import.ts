/** The state of one import on the page: choices, dry run, run. */
import { useCallback, useEffect, useRef, useState } from 'react';

import { asFailure } from '../../api/problem';
import { useServices } from '../../api/services';
import { NO_ACCOUNTS, parseAccountMap } from './account-map';
import { createGate, type Gate, Stopped } from './gate';
import { type Format, Unreadable } from './old-site';
import { type Plan, planImport, sourcesOf } from './plan';
import { readExport } from './read-export';
import { decodeFile } from './read-file';
import { noProgress, type Progress, runImport } from './run';
import { startedStore } from './started';

export interface ImportChoices {
  readonly spaceId: string;
  readonly format: Format;
  readonly siteName: string;
  readonly file: File;
  readonly accountMap: File | null;
}

export type RunState = 'running' | 'paused' | 'finished' | 'broken';

export interface Prepared {
  readonly choices: ImportChoices;
  readonly plan: Plan;
  /** Posts of the plan that were imported before; null where that could not be asked. */
  readonly knownBefore: number | null;
  readonly mapNotes: readonly string[];
}

const KNOWN_AT_ONCE = 250;

async function bytesOf(file: File): Promise<Uint8Array> {
  return new Uint8Array(await file.arrayBuffer());
}

async function prepare(choices: ImportChoices): Promise<Omit<Prepared, 'knownBefore'>> {
  const { format, siteName, file, accountMap } = choices;
  const site = readExport(format, await bytesOf(file));
  const { accounts, notes } = accountMap ? parseAccountMap(decodeFile(await bytesOf(accountMap)).text) : NO_ACCOUNTS;
  const plan = planImport(site, { siteName, accounts, now: Date.now() });
  if (plan.questions.length === 0) throw new Unreadable('There is no question in the file that could be imported.');
  return { choices, plan, mapNotes: notes.map(({ where, what }) => `${where} ${what}`) };
}

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

function usePreparation() {
  const { imports } = useServices();
  const [prepared, setPrepared] = useState<Prepared | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);

  const knownBefore = useCallback(
    async (plan: Plan): Promise<number | null> => {
      const sources = sourcesOf(plan);
      let found = 0;
      try {
        for (let start = 0; start < sources.length; start += KNOWN_AT_ONCE) {
          found += (await imports.known(sources.slice(start, start + KNOWN_AT_ONCE))).size;
        }
        return found;
      } catch {
        // The dry run is about the file; the run itself asks again and says what is wrong.
        return null;
      }
    },
    [imports],
  );

  const check = async (choices: ImportChoices) => {
    setBusy(true);
    setProblem(null);
    try {
      const made = await prepare(choices);
      setPrepared({ ...made, knownBefore: await knownBefore(made.plan) });
    } catch (reason) {
      setPrepared(null);
      setProblem(reason instanceof Unreadable ? reason.message : 'The file could not be read.');
    } finally {
      setBusy(false);
    }
  };
  return { prepared, problem, isBusy, check, forget: () => setPrepared(null) };
}

function useRun() {
  const { imports, me, site, storage } = useServices();
  const [progress, setProgress] = useState<Progress | null>(null);
  const [state, setState] = useState<RunState>('running');
  const [problem, setProblem] = useState<string | null>(null);
  const gate = useRef<Gate | null>(null);

  // Leaving the page ends the run at its next step instead of letting it go on unseen.
  useEffect(() => () => gate.current?.stop(), []);

  const start = async ({ plan, choices }: Prepared) => {
    setProblem(null);
    setProgress(noProgress(plan));
    setState('running');
    const made = createGate((turned) => setState(turned === 'paused' ? 'paused' : 'running'));
    gate.current = made;
    const { question: questionType, answer: answerType } = me.contentTypes;
    const tools = { imports, started: startedStore(storage, { site, accountId: me.accountId }), wait };
    try {
      await runImport(plan, { spaceId: choices.spaceId, questionType, answerType }, tools, made, setProgress);
      setState('finished');
    } catch (reason) {
      if (reason instanceof Stopped) return;
      setProblem(asFailure(reason).message);
      setState('broken');
    }
  };
  return {
    progress,
    state,
    problem,
    start,
    forget: () => setProgress(null),
    pause: () => gate.current?.pause(),
    resume: () => gate.current?.resume(),
  };
}

export function useImport() {
  return { preparation: usePreparation(), run: useRun() };
}
