import type { ModelVersion } from "../../../shared/api/v1/models.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { invalidFields } from "../../../shared/base/invalid-fields.ts";
import { keyIdOf, type Release, releaseText } from "../../../shared/protocol/release.ts";
import type { Actor } from "../../ports/audit.ts";
import type { CatalogStore } from "../../ports/catalog.ts";
import type { Keys } from "../../ports/keys.ts";

/**
 * What signers say of versions. The control plane has no private key and decides nothing by a signature: nodes do, with keys of
 * their own. It refuses one that does not hold, so that a mistake is seen when it is made.
 */
export class Releases {
  readonly #catalog: Pick<CatalogStore, "getVersion" | "signVersion" | "manifest">;
  readonly #keys: Pick<Keys, "verify">;

  constructor(parts: {
    readonly catalog: Pick<CatalogStore, "getVersion" | "signVersion" | "manifest">;
    readonly keys: Pick<Keys, "verify">;
  }) {
    this.#catalog = parts.catalog;
    this.#keys = parts.keys;
  }

  /** The exact bytes of a version's manifest. Throws `NOT_FOUND`, and `CONFLICT` before the version is ready. */
  async manifest(model: string, version: number): Promise<string> {
    const { artifact } = await this.#ready(model, version);
    const text = await this.#catalog.manifest(artifact);
    if (text === null) throw new SkerryError("NOT_FOUND", `${model}:${version} has no manifest any more`);
    return text;
  }

  /** Keeps the signature. Throws `NOT_FOUND`, `CONFLICT` before the version is ready, and `INVALID_REQUEST` when it does not hold. */
  async sign(model: string, version: number, release: Release, actor: Actor): Promise<ModelVersion> {
    const { artifact } = await this.#ready(model, version);
    const { publicKey, signature, counter, floor } = release;
    if (floor > counter)
      throw invalidFields("body", [
        { field: "floor", message: "it is above the counter: the release would withdraw itself" },
      ]);
    if (
      !this.#keys.verify(publicKey, releaseText({ model, version: String(version), artifact, ...release }), signature)
    )
      throw invalidFields("body", [{ field: "signature", message: `it does not hold for ${model}:${version}` }]);
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
