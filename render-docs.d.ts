/** Types of the renderer for the tests. */
export interface LinkResolvers {
  /** Returns the address of a link, or undefined to make it text. */
  resolve(target: string): string | undefined;
  /** Returns the address of an image. */
  addImage(target: string): string;
}
export function renderMarkdown(text: string, resolvers: LinkResolvers): { title: string; html: string };
