import { tellStories } from "../support/tell-stories.ts";

tellStories("nodes", import.meta.dirname);
