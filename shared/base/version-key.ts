/** A version of a model as one text, unique for both: the key of maps, and what `Skerry-Model-Version` says. */
export const versionKey = (model: string, version: number | string): string => `${model}:${version}`;
