/**
 * A small shop: `web` shows products with a price and what is in the cart; `catalog` and `cart` are its back ends, `pricing` is catalog's.
 * Plain Node 20 or newer, no dependencies. Nothing here knows of a mesh: services call each other by URL.
 *
 * Usage: node shop.mjs web|catalog|cart|pricing|load
 */
import { catalog } from './catalog.mjs';
import { cart } from './cart.mjs';
import { load } from './load.mjs';
import { pricing } from './pricing.mjs';
import { web } from './web.mjs';

const roles = { catalog, cart, load, pricing, web };
const role = roles[process.argv[2] ?? ''];
if (role === undefined) {
  process.stderr.write(`shop: unknown service "${process.argv[2] ?? ''}"; known: ${Object.keys(roles).join(', ')}\n`);
  process.exit(64);
}
role(process.env);
