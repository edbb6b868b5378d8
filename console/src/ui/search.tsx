/** The page's filter. `/` leads to it, Esc empties it. */
export function Search({
  value,
  onChange,
  label,
}: {
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly label: string;
}) {
  return (
    <input
      type="search"
      className="search"
      aria-label={label}
      placeholder={`${label} ( / )`}
      value={value}
      onChange={(event) => onChange(event.target.value)}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        if (value === "") event.currentTarget.blur();
        else onChange("");
      }}
    />
  );
}
