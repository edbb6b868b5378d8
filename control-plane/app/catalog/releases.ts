import type { ModelVersion } from "../../../shared/api/v1/models.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { invalidFields } from "../../../shared/base/invalid-fields.ts";
import { keyIdOf, type Release, releaseText } from "../../../shared/protocol/release.ts";
import type { Actor } from "../../ports/audit.ts";
import type { CatalogStore } from "../../ports/catalog.ts";
import type { Keys } from "../../ports/keys.ts";
import { nodesThatWouldStop } from "../../core/fleet/signing-keys.ts";
import type { FleetReader } from "../fleet/fleet-reader.ts";

/** Names in a sentence; the rest is a number. */
const MAX_NAMES = 10;

function namesOf(names: readonly string[]): string {
  const more = names.length - MAX_NAMES;
  return more > 0 ? `${names.slice(0, MAX_NAMES).join(", ")} and ${more} more` : names.join(", ");
}

/**
 * What signers say of versions. The control plane has no private key and decides nothing by a signature: nodes do, with keys of
 * their own. It refuses one that does not hold, so that a mistake is seen when it is made.
 */
export class Releases {
  readonly #catalog: Pick<CatalogStore, "getVersion" | "signVersion" | "manifest">;
  readonly #keys: Pick<Keys, "verify">;
  readonly #fleet: Pick<FleetReader, "snapshot">;

  constructor(parts: {
    readonly catalog: Pick<CatalogStore, "getVersion" | "signVersion" | "manifest">;
    readonly keys: Pick<Keys, "verify">;
    readonly fleet: Pick<FleetReader, "snapshot">;
  }) {
    this.#catalog = parts.catalog;
    this.#keys = parts.keys;
    this.#fleet = parts.fleet;
  }

  /** The exact bytes of a version's manifest. Throws `NOT_FOUND`, and `CONFLICT` before the version is ready. */
  async manifest(model: string, version: number): Promise<string> {
    const { artifact } = await this.#ready(model, version);
    const text = await this.#catalog.manifest(artifact);
    if (text === null) throw new SkerryError("NOT_FOUND", `${model}:${version} has no manifest any more`);
    return text;
  }

  /**
   * Keeps the signature. Throws `NOT_FOUND`, `CONFLICT` before the version is ready, and `INVALID_REQUEST` when it does not hold.
   * Unless `isForced`, `CONFLICT` too when nodes that run the version do not hold the key: they would all stop it at once.
   */
  async sign(
    model: string,
    version: number,
    release: Release,
    { actor, isForced }: { readonly actor: Actor; readonly isForced: boolean },
  ): Promise<ModelVersion> {
    const { artifact, variants } = await this.#ready(model, version);
    if (variants.length > 0)
      throw new SkerryError(
        "CONFLICT",
        `${model}:${version} has variants, and a signature covers the files of one graph: push the graph that is to be signed alone`,
      );
    const { publicKey, signature, counter, floor } = release;
    if (floor > counter)
      throw invalidFields("body", [
        { field: "floor", message: "it is above the counter: the release would withdraw itself" },
      ]);
    if (
      !this.#keys.verify(publicKey, releaseText({ model, version: String(version), artifact, ...release }), signature)
    )
      throw invalidFields("body", [{ field: "signature", message: `it does not hold for ${model}:${version}` }]);
    const stopping = isForced ? [] : nodesThatWouldStop(this.#fleet.snapshot(), { model, version, publicKey });
    if (stopping.length > 0)
      throw new SkerryError(
        "CONFLICT",
        `${namesOf(stopping)} would stop ${model}:${version}: they run it and do not hold the key ${keyIdOf(publicKey)}. ` +
          "Give them that key first, or sign with ?force=true",
      );
    const message = `${model}:${version} was signed by the key ${keyIdOf(publicKey)} as release ${counter}`;
    const event = { type: "Normal", reason: "ModelSigned", object: `model/${model}`, message } as const;
    await this.#catalog.signVersion({ model, version, artifact, release }, { actor, event });
    return this.#ready(model, version);
  }

  async #ready(model: string, version: number): Promise<ModelVersion & { readonly artifact: string }> {
    const found = await this.#catalog.getVersion(model, version);
    if (!found) throw new SkerryError("NOT_FOUND", `the model ${model} has no version ${version}`);
    const { artifact, state } = found;
    if (artifact === null || state !== "ready")
      throw new SkerryError("CONFLICT", `${model}:${version} is ${state}; only a version that is ready has a manifest`);
    return { ...found, artifact };
  }
}
