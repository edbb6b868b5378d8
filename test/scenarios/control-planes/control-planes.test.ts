import { tellStories } from "../support/tell-stories.ts";

tellStories("control planes that take over", import.meta.dirname);
