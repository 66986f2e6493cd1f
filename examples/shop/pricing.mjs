/** `pricing`: what things cost, in cents. */
import { serve } from './serve.mjs';

export function pricing(env) {
  serve('pricing', env, { '/prices': () => ({ prices: { tea: 890, pot: 4900, cup: 1250 } }) });
}
