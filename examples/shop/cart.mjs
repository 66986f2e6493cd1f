/** `cart`: what a customer has chosen. One cart is enough for a shop this small. */
import { serve } from './serve.mjs';

export function cart(env) {
  const items = new Map([['tea', 2]]);
  serve('cart', env, {
    '/items': (request, url) => {
      const id = url.searchParams.get('id');
      if (request.method === 'POST' && id !== null && /^[a-z]{1,20}$/.test(id) && items.size < 100) {
        items.set(id, (items.get(id) ?? 0) + 1);
      }
      return { items: Object.fromEntries(items) };
    },
  });
}
