import { tellStories } from "../support/tell-stories.ts";

tellStories("updates", import.meta.dirname);
