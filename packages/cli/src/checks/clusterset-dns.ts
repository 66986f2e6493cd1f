/** The checks of `clusterset.local`: is there a name server, and does the cluster's resolver know it? Neither where nobody uses it. */
import { CONFIG_MAPS, DEPLOYMENTS, isKubeError, SERVICE_IMPORTS, SERVICES } from '@mesh/kube';
import type { KubeClient } from '@mesh/kube';
import { forwards } from '../corefile.ts';
import { CLUSTERSET_DNS_NAME, CLUSTERSET_ZONE } from '../manifests/clusterset-dns.ts';
import { SkipCheck } from './check.ts';
import type { Check } from './check.ts';
import { nameOf } from './state.ts';
import type { CheckState } from './state.ts';
import { assertAvailable } from './workloads.ts';

const SELECTOR = `component=${CLUSTERSET_DNS_NAME}`;

export function clustersetDnsChecks(state: CheckState): readonly Check[] {
  return [
    {
      description: 'name server of clusterset.local is running',
      hint: 'l5d-multicluster-clusterset-dns',
      retry: true,
      run: async () => {
        const { items } = await (await state.client()).list(DEPLOYMENTS, { labelSelector: SELECTOR });
        if (items.length === 0) throw new SkipCheck();
        for (const deployment of items) assertAvailable(deployment);
      },
    },
    {
      description: 'CoreDNS forwards clusterset.local',
      hint: 'l5d-multicluster-clusterset-dns-forward',
      warning: true,
      run: async () => {
        const client = await state.client();
        const [service] = (await client.list(SERVICES, { labelSelector: SELECTOR })).items;
        const corefile = (await client.get(CONFIG_MAPS, { namespace: 'kube-system', name: 'coredns' }))?.data?.[
          'Corefile'
        ];
        if (service === undefined || corefile === undefined || !(await hasImports(client))) throw new SkipCheck();
        const address = service.spec?.clusterIP ?? '';
        const present = forwards(corefile, CLUSTERSET_ZONE);
        if (present.includes(address)) return;
        throw new Error(
          present.length === 0
            ? `ConfigMap kube-system/coredns has no block for ${CLUSTERSET_ZONE}: mesh multicluster dns | kubectl apply -f -`
            : `ConfigMap kube-system/coredns forwards ${CLUSTERSET_ZONE} to ${present.join(', ')}, and service ${nameOf(service)} has ${address}: mesh multicluster dns | kubectl apply -f -`,
        );
      },
    },
  ];
}

async function hasImports(client: KubeClient): Promise<boolean> {
  try {
    return (await client.list(SERVICE_IMPORTS)).items.length > 0;
  } catch (error) {
    if (isKubeError(error, 'not_found')) return false;
    throw error;
  }
}
