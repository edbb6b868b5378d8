import { Link } from "@tanstack/react-router";
import { useEvents } from "../../live/events.ts";
import { EventList } from "../events/event-list.tsx";
import { Loading } from "../../ui/states.tsx";

const SHOWN = 8;

export function RecentEvents() {
  const { events, isWhole } = useEvents();
  if (!isWhole) return <Loading />;
  return (
    <>
      <EventList events={events.slice(0, SHOWN)} />
      <p>
        <Link to="/events">All events</Link>
      </p>
    </>
  );
}
