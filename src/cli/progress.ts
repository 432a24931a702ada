import { printNote } from './output.ts';

const FRAMES = ['|', '/', '-', '\\'];
const FRAME_MS = 120;
const SLOW_MS = 1000;

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

/**
 * Does the same on a terminal for work that is fast most of the time: the spinner appears after a second. Elsewhere it shows nothing.
 * @param label such as `Loading members`
 */
export async function withProgressIfSlow<T>(label: string, work: Promise<T>): Promise<T> {
  if (!process.stderr.isTTY) return work;
  let timer: NodeJS.Timeout | undefined;
  const slow = new Promise<'slow'>((resolve) => {
    timer = setTimeout(() => resolve('slow'), SLOW_MS);
  });
  try {
    const first = await Promise.race([
      slow,
      work.then(
        () => 'done',
        () => 'done',
      ),
    ]);
    return await (first === 'slow' ? withProgress(label, work) : work);
  } finally {
    clearTimeout(timer);
  }
}
