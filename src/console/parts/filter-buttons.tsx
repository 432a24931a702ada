/** The buttons of a filter form, with a link that removes the filter if there is one. */
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
