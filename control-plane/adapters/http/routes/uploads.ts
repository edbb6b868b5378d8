import { z } from "zod";
import { modelVersion, uploadProgress } from "../../../../shared/api/v1/models.ts";
import { SkerryError } from "../../../../shared/base/errors.ts";
import type { Catalog } from "../server/route-catalog.ts";
import { defineRoute, type RequestFacts, type Route } from "../server/route.ts";
import { uploadParams } from "./params.ts";

const TAG = "Versions";
const PATH = "/api/v1/uploads/{upload}";

const offsetQuery = z.strictObject({
  offset: z
    .string()
    .regex(/^[0-9]{1,12}$/, "a number of bytes")
    .transform(Number),
});

/** Resumable: raw bytes at an offset, no multipart, no archive. */
export function uploadRoutes({ catalog }: { catalog: Catalog }): Route[] {
  return [
    defineRoute({
      method: "PUT",
      path: PATH,
      summary: "Send bytes of a file of a declared version, from `offset` on; a broken connection keeps what arrived",
      tag: TAG,
      action: "models.write",
      params: uploadParams,
      query: offsetQuery,
      takesBytes: true,
      answer: uploadProgress,
      statuses: [200],
      async handle({ params, query, header, bytes }) {
        refuseOtherTypes(header);
        const progress = await catalog.uploads.append(params.upload, query.offset, bytes());
        return { body: progress, headers: progressHeaders(progress) };
      },
    }),
    defineRoute({
      method: "HEAD",
      path: PATH,
      summary: "How far an upload got: `Upload-Offset` and `Upload-Length`",
      tag: TAG,
      action: "models.write",
      params: uploadParams,
      statuses: [200],
      async handle({ params }) {
        return { status: 200, empty: true, headers: progressHeaders(await catalog.uploads.progress(params.upload)) };
      },
    }),
    defineRoute({
      method: "POST",
      path: `${PATH}/complete`,
      summary:
        "All bytes of all files are there: check them. The check runs aside; the version's state tells its outcome",
      tag: TAG,
      action: "models.write",
      params: uploadParams,
      answer: modelVersion,
      statuses: [202],
      async handle({ params, actor }) {
        return { body: await catalog.uploads.complete(params.upload, actor) };
      },
    }),
  ];
}

function refuseOtherTypes(header: RequestFacts["header"]): void {
  const type = header("content-type") ?? "no type";
  if (type.split(";")[0]?.trim().toLowerCase() === "application/octet-stream") return;
  throw new SkerryError(
    "UNSUPPORTED_MEDIA_TYPE",
    `the body is ${type.slice(0, 64)}; an upload takes application/octet-stream`,
  );
}

const progressHeaders = ({ offset, bytes }: { offset: number; bytes: number }) => ({
  "Upload-Offset": String(offset),
  "Upload-Length": String(bytes),
});
