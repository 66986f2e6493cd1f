/**
 * Mount paths for programs that know them by heart: maps the first argument of the file system's
 * functions from a mount path to the folder that stands for it.
 */
'use strict';

const fs = require('node:fs');

const NAMES =
  'access appendFile chmod copyFile cp createReadStream createWriteStream exists lstat mkdir mkdtemp open opendir ' +
  'openAsBlob readFile readdir readlink realpath rename rm rmdir stat statfs symlink truncate unlink unwatchFile ' +
  'utimes watch watchFile writeFile';

/** @param mounts pairs of mount path and real folder, longest mount path first */
function install(mounts) {
  const map = (path) => {
    const text = path instanceof URL && path.protocol === 'file:' ? decodeURIComponent(path.pathname) : path;
    if (typeof text !== 'string') return path;
    for (const [from, to] of mounts) {
      if (text === from || text.startsWith(`${from}/`)) return to + text.slice(from.length);
    }
    return path;
  };
  const replace = (target, name) => {
    const original = target[name];
    if (typeof original !== 'function') return;
    const pair = /^(rename|copyFile|cp)/.test(name);
    const mapped = function (path, second, ...rest) {
      return original.call(this, map(path), pair ? map(second) : second, ...rest);
    };
    target[name] = Object.assign(mapped, original);
  };
  for (const name of NAMES.split(' ')) {
    replace(fs, name);
    replace(fs, `${name}Sync`);
    replace(fs.promises, name);
  }
}

module.exports = { install };
