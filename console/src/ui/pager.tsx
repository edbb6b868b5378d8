/** The pages of a long table. */
export function Pager({
  first,
  perPage,
  count,
  onPage,
}: {
  readonly first: number;
  readonly perPage: number;
  readonly count: number;
  readonly onPage: (page: number) => void;
}) {
  if (count <= perPage) return null;
  const page = Math.floor(first / perPage);
  const last = Math.ceil(count / perPage) - 1;
  return (
    <nav className="pager" aria-label="Pages of the table">
      <button type="button" disabled={page === 0} onClick={() => onPage(page - 1)}>
        Previous
      </button>
      <span role="status">
        {first + 1}–{Math.min(first + perPage, count)} of {count}
      </span>
      <button type="button" disabled={page >= last} onClick={() => onPage(page + 1)}>
        Next
      </button>
    </nav>
  );
}
