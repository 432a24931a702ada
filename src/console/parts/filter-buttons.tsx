/** The end of a form that filters a list; with a way back where something is filtered. */
export const FilterButtons = ({ path, isFiltered }: { readonly path: string; readonly isFiltered: boolean }) => (
  <>
    <button type="submit" class="secondary">
      Filter
    </button>
    {isFiltered ? (
      <a class="button quiet" href={path}>
        Show all
      </a>
    ) : null}
  </>
);
