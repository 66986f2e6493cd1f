/** `catalog`: the products, priced by `pricing` when PRICING_URL is set. */
import { ask, serve } from './serve.mjs';

const PRODUCTS = [
  { id: 'tea', name: 'Assam, 250 g' },
  { id: 'pot', name: 'Teapot, cast iron' },
  { id: 'cup', name: 'Cup, porcelain' },
];

export function catalog(env) {
  serve('catalog', env, {
    '/products': async () => {
      if (!env.PRICING_URL) return { products: PRODUCTS };
      const { prices } = await ask(`${env.PRICING_URL}/prices`);
      return { products: PRODUCTS.map((product) => ({ ...product, cents: prices[product.id] })) };
    },
  });
}
