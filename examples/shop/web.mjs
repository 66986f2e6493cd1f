/**
 * `web`: the front page. The catalog comes from CATALOG_URL; a customer may ask for another store's, `/browse?store=NAME`,
 * whose address is STORE_URL with the name filled in (http://catalog-{store}.shop).
 */
import { ask, serve } from './serve.mjs';

export function web(env) {
  const catalogUrl = env.CATALOG_URL ?? 'http://catalog';
  const cartUrl = env.CART_URL ?? 'http://cart';
  const storeUrl = env.STORE_URL ?? 'http://catalog-{store}';
  serve('web', env, {
    '/': async () => {
      const [stock, basket] = await Promise.all([ask(`${catalogUrl}/products`), ask(`${cartUrl}/items`)]);
      return { products: stock.products, items: basket.items, stock: origin(stock), basket: origin(basket) };
    },
    '/browse': async (_request, url) => {
      const store = url.searchParams.get('store') ?? '';
      if (!/^[a-z][a-z0-9-]{0,30}$/.test(store))
        throw Object.assign(new Error('store: a name is needed'), { status: 400 });
      const stock = await ask(`${storeUrl.replace('{store}', store)}/products`);
      return { products: stock.products, stock: origin(stock) };
    },
  });
}

/** Where an answer came from. */
function origin(answer) {
  return { cluster: answer.cluster, pod: answer.pod, caller: answer.caller };
}
