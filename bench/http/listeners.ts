import { connect, type Socket } from "node:net";
import { answer } from "./child.ts";

const sockets: Socket[] = [];
let heard = 0;

const answers = {
  /** Opens so many more streams. */
  async open({ url, count }: { readonly url: string; readonly count: number }): Promise<void> {
    const { port, host } = new URL(url);
    for (let opened = 0; opened < count; opened++) {
      const socket = connect({ port: Number(port), host: "127.0.0.1" });
      sockets.push(socket);
      socket.write(`GET /api/v1/events HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
      await new Promise((resolve, reject) => {
        socket.once("error", reject);
        socket.once("data", (bytes) => {
          if (bytes.toString().startsWith("HTTP/1.1 200")) resolve(undefined);
          else reject(new Error(`A stream was refused: ${bytes.toString().slice(0, 60)}`));
        });
      });
      socket.on("data", (bytes) => {
        for (let at = bytes.indexOf("event: "); at >= 0; at = bytes.indexOf("event: ", at + 1)) heard += 1;
      });
    }
  },

  /** Events that all streams together have got since it was last asked. */
  heard(): number {
    const count = heard;
    heard = 0;
    return count;
  },
};

export type ListenerAnswers = typeof answers;

answer(answers, () => {
  for (const socket of sockets) socket.destroy();
});
