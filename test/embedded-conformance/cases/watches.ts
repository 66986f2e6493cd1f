/** Watches: where they start, what they send, how they end. */
import type { Cases } from '../program.ts';

const MERGE = { contentType: 'application/merge-patch+json' };

export const watchCases: Cases = async (api, { namespace }) => {
  const path = `/api/v1/namespaces/${namespace}/secrets`;
  const secret = (name: string, labels: object = {}): object => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name, labels },
  });
  const start = JSON.parse((await api.send('GET', path)).text) as { metadata: { resourceVersion: string } };
  const from = start.metadata.resourceVersion;
  await api.watch('from a version', `${path}?watch=true&resourceVersion=${from}`, 4, async () => {
    await api.send('POST', path, secret('w'));
    await api.send('PATCH', `${path}/w`, { data: { a: 'YQ==' } }, MERGE);
    await api.send('PATCH', `${path}/w`, { data: { a: 'Yg==' } }, MERGE);
    await api.send('DELETE', `${path}/w`);
  });
  await api.watch('the past again', `${path}?watch=1&resourceVersion=${from}`, 4);
  await api.watch(
    'entering and leaving a selection',
    `${path}?watch=true&labelSelector=on%3Dyes&resourceVersion=${from}`,
    5,
    async () => {
      await api.send('POST', path, secret('s'));
      await api.send('PATCH', `${path}/s`, { metadata: { labels: { on: 'yes' } } }, MERGE);
      await api.send('PATCH', `${path}/s`, { data: { a: 'YQ==' } }, MERGE);
      await api.send('PATCH', `${path}/s`, { metadata: { labels: { on: 'no' } } }, MERGE);
      await api.send('PATCH', `${path}/s`, { metadata: { labels: { on: 'yes' } } }, MERGE);
      await api.send('DELETE', `${path}/s`);
    },
  );
  await api.send('POST', path, secret('k', { keep: 'yes' }));
  await api.watch('without a version: what is there comes first', `${path}?watch=true&labelSelector=keep`, 1);
  await api.watch('version zero', `${path}?watch=true&labelSelector=keep&resourceVersion=0`, 1);
  await api.watch('one by name', `${path}?watch=true&fieldSelector=metadata.name%3Dk`, 1);
  await api.watch(
    'initial events and their end',
    `${path}?watch=true&labelSelector=keep&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true`,
    2,
  );
  await api.watch(
    'initial events without a match',
    `${path}?watch=true&sendInitialEvents=true&allowWatchBookmarks=true`,
    1,
  );
  await api.watch('a match without initial events', `${path}?watch=true&resourceVersionMatch=NotOlderThan`, 1);
  await api.watch('too old', `${path}?watch=true&resourceVersion=1`, 1);
  await api.watch('a bad version', `${path}?watch=true&resourceVersion=nonsense`, 1);
  await api.watch('the end of its time', `${path}?watch=true&labelSelector=none&timeoutSeconds=1`, 1);
  await api.watch('as a table', `${path}?watch=true&labelSelector=keep&includeObject=None`, 1, undefined, {
    accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
  });
  await api.watch('metadata only', `${path}?watch=true&labelSelector=keep`, 1, undefined, {
    accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io',
  });
  await api.watch('a field that nobody selects by', `${path}?watch=true&fieldSelector=data%3Dx`, 1);
};
