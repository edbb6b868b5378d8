import type { ModelVersion } from "../../../shared/api/v1/models.ts";
import { SkerryError } from "../../../shared/base/errors.ts";
import { invalidFields } from "../../../shared/base/invalid-fields.ts";
import { keyIdOf, releaseText, type VersionRelease } from "../../../shared/protocol/model-files/release.ts";
import { REFERENCE } from "../../../shared/protocol/model-files/variants.ts";
import type { Actor } from "../../ports/access/audit.ts";
import type { CatalogStore } from "../../ports/catalog/catalog.ts";
import type { Keys } from "../../ports/access/keys.ts";
import { nodesThatWouldStop } from "../../core/fleet/versions/signing-keys.ts";
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

  /** The exact bytes of the manifest of a version, or of a variant of it. Throws `NOT_FOUND`, and `CONFLICT` before it is ready. */
  async manifest(model: string, version: number, variant: string = REFERENCE): Promise<string> {
    const ready = await this.#ready(model, version);
    const artifact = variant === REFERENCE ? ready.artifact : artifactOf(ready, variant);
    if (artifact === undefined) throw new SkerryError("NOT_FOUND", `${model}:${version} has no variant ${variant}`);
    const text = await this.#catalog.manifest(artifact);
    if (text === null) throw new SkerryError("NOT_FOUND", `${model}:${version} has no manifest any more`);
    return text;
  }

  /**
   * Keeps the signature, and those of all variants. Throws `NOT_FOUND`, `CONFLICT` before the version is ready, and `INVALID_REQUEST` when it does not hold.
   * Unless `isForced`, `CONFLICT` too when nodes that run the version do not hold the key: they would all stop it at once.
   */
  async sign(
    model: string,
    version: number,
    release: VersionRelease,
    { actor, isForced }: { readonly actor: Actor; readonly isForced: boolean },
  ): Promise<ModelVersion> {
    const ready = await this.#ready(model, version);
    const { artifact } = ready;
    const { publicKey, counter, floor } = release;
    if (floor > counter)
      throw invalidFields("body", [
        { field: "floor", message: "it is above the counter: the release would withdraw itself" },
      ]);
    const faults = this.#faultsOf(ready, release);
    if (faults.length > 0) throw invalidFields("body", faults);
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

  /** The signatures that do not hold, are missing, or are of no variant of the version. */
  #faultsOf(
    version: ModelVersion & { readonly artifact: string },
    { signature, variants = {}, ...release }: VersionRelease,
  ): readonly { readonly field: string; readonly message: string }[] {
    const name = `${version.model}:${version.version}`;
    const given = new Map([[REFERENCE, signature], ...Object.entries(variants)]);
    const all = new Set([...given.keys(), ...version.variants.map((each) => each.name)]);
    return [...all].flatMap((variant) => {
      const field = variant === REFERENCE ? "signature" : `variants.${variant}`;
      const artifact = variant === REFERENCE ? version.artifact : artifactOf(version, variant);
      if (artifact === undefined) return [{ field, message: `${name} has no such variant` }];
      const own = given.get(variant);
      if (own === undefined)
        return [{ field, message: `a version is signed with all of its variants, and ${name} has this one` }];
      const text = releaseText({ ...release, model: version.model, version: String(version.version), artifact });
      if (this.#keys.verify(release.publicKey, text, own)) return [];
      return [{ field, message: `it does not hold for ${name}${variant === REFERENCE ? "" : ` (${variant})`}` }];
    });
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

const artifactOf = ({ variants }: ModelVersion, variant: string): string | undefined =>
  variants.find(({ name }) => name === variant)?.artifact;
