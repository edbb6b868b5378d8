import { tellStories } from "../support/tell-stories.ts";

tellStories("models and where they go", import.meta.dirname);
