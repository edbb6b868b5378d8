import { useNavigate, useSearch } from "@tanstack/react-router";
import { matchesWords } from "../../core/text/text-filter.ts";
import { useEvents, useEventsOf } from "../../live/events.ts";
import { useIsAdmin } from "../../app/session-context.ts";
import { PageHead } from "../../ui/page.tsx";
import { Search } from "../../ui/search.tsx";
import { Failure, Loading } from "../../ui/states.tsx";
import { AuditLog } from "./audit-log.tsx";
import { EventList } from "./event-list.tsx";

/** What happened, as it happens; and for admins who changed what. */
export function EventsPage() {
  const search = useSearch({ from: "/events" });
  const { q = "", object, view } = search;
  const navigate = useNavigate();
  const isAdmin = useIsAdmin();
  const show = (next: typeof search): void => void navigate({ to: "/events", search: next, replace: true });
  const { view: _view, ...ofEvents } = search;
  return (
    <>
      <PageHead
        title={view === "audit" ? "Audit log" : "Events"}
        sentence={
          view === "audit" ? "Who changed what, newest first; asked for every 10 s." : "What happened, newest first."
        }
      >
        <Search
          label={view === "audit" ? "Search the audit log" : "Search events"}
          value={q}
          onChange={(value) => {
            const { q: _q, ...rest } = search;
            show(value === "" ? rest : { ...rest, q: value });
          }}
        />
        {isAdmin && (
          <span role="group" aria-label="What is shown">
            <button type="button" className="toggle" aria-pressed={view !== "audit"} onClick={() => show(ofEvents)}>
              Events
            </button>
            <button
              type="button"
              className="toggle"
              aria-pressed={view === "audit"}
              onClick={() => show({ ...(q !== "" && { q }), view: "audit" })}
            >
              Audit
            </button>
          </span>
        )}
      </PageHead>
      {view === "audit" ? (
        <AuditLog filter={q} />
      ) : object === undefined ? (
        <AllEvents filter={q} />
      ) : (
        <>
          <p>
            Of <code>{object}</code> alone.{" "}
            <button type="button" className="quiet" onClick={() => show(q === "" ? {} : { q })}>
              Show all
            </button>
          </p>
          <EventsOf object={object} filter={q} />
        </>
      )}
    </>
  );
}

const AllEvents = ({ filter }: { readonly filter: string }) => <Events of={useEvents()} filter={filter} />;

function Events({
  of: { events, isWhole, link },
  filter,
}: {
  readonly of: ReturnType<typeof useEvents>;
  readonly filter: string;
}) {
  if (link.kind === "refused") return <Failure error={link.failure} />;
  if (!isWhole) return link.kind === "broken" ? <Failure error={new Error(link.why)} /> : <Loading />;
  return <EventList events={filtered(events, filter)} />;
}

const EventsOf = ({ object, filter }: { readonly object: string; readonly filter: string }) => (
  <Events of={useEventsOf(object)} filter={filter} />
);

type Rows = ReturnType<typeof useEvents>["events"];
const filtered = (events: Rows, filter: string): Rows =>
  events.filter(({ object, reason, message, type }) => matchesWords(filter, [object, reason, message, type]));
