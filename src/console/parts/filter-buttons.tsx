const TEXTS = { filter: 'Filter', showAll: 'Show all' } as const;

/** The buttons of a filter form, with a link that removes the filter if there is one. */
export const FilterButtons = ({ path, isFiltered }: { readonly path: string; readonly isFiltered: boolean }) => (
  <>
    <button type="submit" class="secondary">
      {TEXTS.filter}
    </button>
    {isFiltered ? (
      <a class="button quiet" href={path}>
        {TEXTS.showAll}
      </a>
    ) : null}
  </>
);
