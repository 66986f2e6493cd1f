/** `mesh multicluster` (`mc`): the extension that joins clusters. */
import type { Command } from 'commander';
import type { CliIo } from '../io.ts';
import { addAllow } from './multicluster/allow.ts';
import { addMulticlusterCheck } from './multicluster/check.ts';
import { addDiagnose } from './multicluster/diagnose.ts';
import { addDns } from './multicluster/dns.ts';
import { addExport, addUnexport } from './multicluster/export.ts';
import { addGateways } from './multicluster/gateways.ts';
import { addMulticlusterInstall } from './multicluster/install.ts';
import { addLink } from './multicluster/link.ts';
import { addStatus } from './multicluster/status.ts';
import { addMulticlusterUninstall } from './multicluster/uninstall.ts';
import { addUnlink } from './multicluster/unlink.ts';

export function addMulticluster(parent: Command, io: CliIo): void {
  const command = parent.command('multicluster').alias('mc').description('links this cluster to others');
  addAllow(command, io);
  addMulticlusterCheck(command, io);
  addDiagnose(command, io);
  addDns(command, io);
  addExport(command, io);
  addGateways(command, io);
  addMulticlusterInstall(command, io);
  addLink(command, io, 'link');
  addLink(command, io, 'link-gen');
  addStatus(command, io);
  addMulticlusterUninstall(command, io);
  addUnexport(command, io);
  addUnlink(command, io);
}
