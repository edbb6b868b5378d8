import type { Tensor } from "../../../../shared/inference/tensors/datatypes.ts";
import type { InferRequest } from "../../../../shared/inference/request.ts";
import type { ResponseParameters } from "../../../../shared/inference/response.ts";

/** A request with what the model takes in the place of what the caller sent. */
export interface PreparedRequest extends InferRequest {
  /** Outputs of the model that its answer needs. */
  readonly runs: readonly string[];
}

/** A pipeline, as far as it is not the model. Both throw `SkerryError`. */
export interface AroundModel<Request extends PreparedRequest = PreparedRequest> {
  /** `kept`: what it keeps of the request's stream, without bytes when that begins; undefined: the request has no stream. */
  prepare(
    body: Uint8Array,
    headerLength: number,
    path: { readonly isExplained: boolean; readonly kept?: Uint8Array | undefined },
  ): Request;
  /** The answer's outputs in the order of the request, of the model's in that of `runs`. */
  finish(
    request: Request,
    tensors: readonly Tensor[],
  ): {
    readonly tensors: readonly Tensor[];
    readonly parameters: ResponseParameters;
    /** What it keeps of the request's stream from now on. */
    readonly kept?: Uint8Array | undefined;
  };
}
