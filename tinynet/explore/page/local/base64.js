/** Numbers from base64, in which the page's file has them. */

/**
 * @param {string} text
 * @returns {Uint8Array}
 */
export function bytes(text) {
  const characters = atob(text);
  const result = new Uint8Array(characters.length);
  for (let k = 0; k < result.length; k++) result[k] = characters.charCodeAt(k);
  return result;
}

/**
 * Read numbers of 32 bits, the lowest byte first.
 * @param {string} text
 * @returns {Float32Array}
 */
export function floats(text) {
  const view = new DataView(bytes(text).buffer);
  const result = new Float32Array(view.byteLength / 4);
  for (let k = 0; k < result.length; k++) result[k] = view.getFloat32(4 * k, true);
  return result;
}
