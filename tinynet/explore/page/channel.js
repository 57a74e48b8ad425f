// A WebSocket to one method of the server: questions and answers in turn. The server ends one that is silent for a while,
// and the next question opens another.

/** @typedef {ArrayBuffer | string | null} Answer */

export class Channel {
  /** @type {WebSocket | null} */
  #socket = null;
  /** @type {((answer: Answer) => void)[]} of those who wait, the first one first */
  #waiting = [];

  /** @param {string} path   beside the page */
  constructor(path) {
    this.address = new URL(path, location.href.replace(/^http/, "ws")).href;
  }

  /**
   * Ask, once more on a new connection if the last one has just ended.
   * @param {string} question
   * @returns {Promise<Answer>} null: there is no WebSocket to be had
   */
  async ask(question) {
    const last = this.#socket;
    return (last?.readyState === WebSocket.OPEN && await this.#on(last, question)) || this.#on(await this.#open(), question);
  }

  /**
   * @param {WebSocket | null} socket
   * @param {string} question
   * @returns {Promise<Answer>}
   */
  #on(socket, question) {
    if (!socket) return Promise.resolve(null);
    return new Promise(resolve => {
      this.#waiting.push(resolve);
      socket.send(question);
    });
  }

  /** @returns {Promise<WebSocket | null>} */
  #open() {
    return new Promise(resolve => {
      const socket = new WebSocket(this.address);
      socket.binaryType = "arraybuffer";
      socket.onopen = () => resolve(this.#socket = socket);
      socket.onmessage = ({ data }) => this.#waiting.shift()?.(data);
      socket.onclose = () => {
        resolve(null);
        for (const answer of this.#waiting.splice(0)) answer(null);
      };
    });
  }
}
