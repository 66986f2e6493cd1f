/** The sidecar, with connections that look redirected. */
import './redirect.ts';
import '../../packages/proxy/src/main.ts';
