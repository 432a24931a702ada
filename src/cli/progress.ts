import { printNote } from './output.ts';

const FRAMES = ['|', '/', '-', '\\'];
const FRAME_MS = 120;

/**
 * Shows on standard error that work is in progress until it settles: a spinner on a terminal, one line elsewhere.
 * @param label such as `Revoking`
 */
export async function withProgress<T>(label: string, work: Promise<T>): Promise<T> {
  const { stderr } = process;
  if (!stderr.isTTY || process.env.TERM === 'dumb') {
    printNote(`${label} …`);
    return work;
  }
  let frame = 0;
  const draw = () => stderr.write(`\r${FRAMES[frame++ % FRAMES.length]} ${label} …`);
  draw();
  const timer = setInterval(draw, FRAME_MS);
  try {
    return await work;
  } finally {
    clearInterval(timer);
    stderr.write('\r\u001b[2K');
  }
}
