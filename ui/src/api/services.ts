/** What features receive: the clients, the person, and the few things they may ask of the host. */
import { createContext, useContext } from 'react';

import type { Flag, HostBridge, HostTarget } from '../host/bridge';
import { type Client, createClient } from './client';
import { type Confluence, createConfluence } from './confluence';
import { createImports, type Imports } from './imports';
import { type PendingStore, pendingStore } from './pending';
import type { PostingTools } from './posting';
import type { Me } from './types';

export interface Services {
  readonly me: Me;
  readonly site: string;
  readonly client: Client;
  readonly confluence: Confluence;
  readonly imports: Imports;
  readonly pending: PendingStore;
  readonly posting: PostingTools;
  readonly storage: Storage;
  readonly flag: (flag: Flag) => void;
  readonly navigate: (target: HostTarget) => void;
  readonly setTitle: (title: string) => void;
}

const wait = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Learns who the person is, then ties the clients together; rejects with a `Failure`. */
export async function openServices(host: HostBridge, storage: Storage): Promise<Services> {
  const { site } = await host.context();
  const client = createClient(host);
  const me = await client.me();
  const confluence = createConfluence(host, site);
  const pending = pendingStore(storage, { site, accountId: me.accountId });
  return {
    me,
    site,
    client,
    confluence,
    imports: createImports(host, confluence),
    pending,
    posting: { client, confluence, pending, wait },
    storage,
    flag: (flag) => host.flag(flag),
    navigate: (target) => host.navigate(target),
    setTitle: (title) => host.setTitle(title),
  };
}

export const ServicesContext = createContext<Services | null>(null);

export function useServices(): Services {
  const services = useContext(ServicesContext);
  if (!services) throw new Error('useServices is used outside of the application.');
  return services;
}
