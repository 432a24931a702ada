import { printNote } from './output.ts';

const FRAMES = ['|', '/', '-', '\\'];
const FRAME_MS = 120;

/** Shows that something is under way: a turning line on a terminal, one plain line elsewhere. On standard error, as it is no result. */
export async function whileWaiting<T>(words: string, work: Promise<T>): Promise<T> {
  const { stderr } = process;
  if (!stderr.isTTY || process.env.TERM === 'dumb') {
    printNote(`${words} …`);
    return work;
  }
  let frame = 0;
  const draw = () => stderr.write(`\r${FRAMES[frame++ % FRAMES.length]} ${words} …`);
  draw();
  const timer = setInterval(draw, FRAME_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    stderr.write('\r\u001b[2K');
  }
}
