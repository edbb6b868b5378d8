import { z } from "zod";
import { messageOf } from "../base/errors.ts";
import { type FoundGraph, listed, type ModelFolder, textOf, unfit } from "./folder.ts";

/** The file that makes a folder an MLflow model. */
export const MLMODEL = "MLmodel";
const MAX_ALIASES = 100;

const description = z.looseObject({ flavors: z.record(z.string(), z.looseObject({ data: z.unknown() }).partial()) });

/** How to come from another flavour to ONNX. `PATH` is the folder. */
const CONVERSIONS: Readonly<Record<string, string>> = {
  sklearn: 'model = mlflow.sklearn.load_model("PATH"); skl2onnx.to_onnx(model, X[:1])',
  pytorch: 'model = mlflow.pytorch.load_model("PATH"); torch.onnx.export(model, args, "model.onnx")',
  lightgbm: 'model = mlflow.lightgbm.load_model("PATH"); onnxmltools.convert_lightgbm(model, initial_types=…)',
  xgboost: 'model = mlflow.xgboost.load_model("PATH"); onnxmltools.convert_xgboost(model, initial_types=…)',
  catboost: 'model = mlflow.catboost.load_model("PATH"); model.save_model("model.onnx", format="onnx")',
  keras: 'model = mlflow.keras.load_model("PATH"); model.export("model.onnx", format="onnx")',
  tensorflow: "python -m tf2onnx.convert --saved-model PATH/data/model --output model.onnx",
  transformers: "optimum-cli export onnx --model PATH/model OUT",
  sentence_transformers: "optimum-cli export onnx --model PATH/model.sentence_transformer OUT",
};

/** The graph of an MLflow model with the ONNX flavour. Throws `UnfitModel` that names the flavours that it has instead. */
export function findMlflowGraph(folder: ModelFolder): FoundGraph {
  const { root, paths } = folder;
  const flavors = readFlavors(folder);
  const data = flavors["onnx"]?.["data"];
  if (typeof data !== "string") throw noOnnxFlavor(root, Object.keys(flavors));
  // mlflow.onnx writes the name of the file; older ones that of a folder with a `model.onnx`.
  const graph = [data, `${data}/model.onnx`].find((path) => paths.includes(path));
  if (graph === undefined)
    throw unfit(
      `${root} is an MLflow model whose ONNX flavour names ${data}`,
      "there is no such file",
      "log the model again with mlflow.onnx.log_model",
    );
  return { graph, notes: [`${root} is an MLflow model with the ONNX flavour: ${graph} is pushed.`] };
}

function readFlavors(folder: ModelFolder): z.infer<typeof description>["flavors"] {
  try {
    return description.parse(folder.parseYaml(textOf(folder, MLMODEL), MAX_ALIASES)).flavors;
  } catch (error) {
    throw unfit(
      `${folder.at(MLMODEL)} is not the description of an MLflow model`,
      messageOf(error).split("\n")[0] ?? "",
      "push the ONNX file alone, or log the model again with mlflow.onnx.log_model",
    );
  }
}

function noOnnxFlavor(root: string, flavors: readonly string[]): Error {
  const found = flavors.filter((flavor) => flavor !== "python_function");
  const [known = ""] = found.filter((flavor) => Object.hasOwn(CONVERSIONS, flavor));
  const conversion = CONVERSIONS[known]?.replaceAll("PATH", root);
  const named = found.length === 0 ? "python_function" : listed(found);
  return unfit(
    `${root} is an MLflow model of the flavour ${named}, and only the ONNX flavour can be served`,
    "Skerry runs ONNX graphs and no Python",
    conversion === undefined
      ? "export the model as ONNX in Python and push the file, or log it with mlflow.onnx.log_model"
      : `convert it (${conversion}) and push the ONNX file, or log it with mlflow.onnx.log_model`,
  );
}
