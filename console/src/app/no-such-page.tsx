import { Link } from "@tanstack/react-router";
import { Empty } from "../ui/states.tsx";

export function NoSuchPage() {
  return (
    <Empty title="There is no such page">
      <p>
        <Link to="/">Go to the home page</Link>
      </p>
    </Empty>
  );
}
