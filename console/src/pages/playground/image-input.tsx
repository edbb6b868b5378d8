import { type ChangeEvent, type PointerEvent, useEffect, useRef, useState } from "react";
import { type InputForm, inkOf, tensorOfPixels } from "../../core/playground/playground-inputs.ts";

type ImageForm = Extract<InputForm, { kind: "image" }>;

/** The side of the sheet that is drawn on, in pixels. */
const SHEET = 280;
const PEN = 20;
/** As the digits of MNIST are: the longer side of the ink fills so much of the image, and its centre of mass is the middle. */
const FILLED = 20 / 28;
/** A pen that rests is done. */
const REST_MS = 600;

/** An image that is drawn with a pointer, or comes from a file. */
export function ImageInput({
  form,
  datatype,
  asked,
  onPixels,
  onDone,
}: {
  readonly form: ImageForm;
  readonly datatype: string;
  /** How often somebody has asked by hand: that leaves nothing to ask for when the pen rests. */
  readonly asked: number;
  readonly onPixels: (pixels: readonly number[]) => void;
  readonly onDone: () => void;
}) {
  const sheet = useRef<HTMLCanvasElement>(null);
  const last = useRef<{ readonly x: number; readonly y: number } | undefined>(undefined);
  const rest = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const [isFitted, setFitted] = useState(form.channels === 1);
  useEffect(() => {
    clear(sheet.current);
    return () => clearTimeout(rest.current);
  }, []);
  useEffect(() => clearTimeout(rest.current), [asked]);

  const read = (fitted: boolean): void => {
    if (sheet.current) onPixels(tensorOfPixels(pixelsOf(sheet.current, form, fitted), form, datatype));
  };
  const settle = (): void => {
    read(isFitted);
    clearTimeout(rest.current);
    rest.current = setTimeout(onDone, REST_MS);
  };
  const draw = (event: PointerEvent<HTMLCanvasElement>): void => {
    const context = event.currentTarget.getContext("2d");
    if (context === null || event.buttons === 0) return;
    clearTimeout(rest.current);
    const box = event.currentTarget.getBoundingClientRect();
    const to = {
      x: ((event.clientX - box.left) / box.width) * SHEET,
      y: ((event.clientY - box.top) / box.height) * SHEET,
    };
    const from = last.current ?? to;
    context.strokeStyle = "white";
    context.lineWidth = PEN;
    context.lineCap = "round";
    context.beginPath();
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
    context.stroke();
    last.current = to;
  };
  const open = async (event: ChangeEvent<HTMLInputElement>): Promise<void> => {
    const file = event.target.files?.[0];
    const context = sheet.current?.getContext("2d");
    if (file === undefined || !context) return;
    const bitmap = await createImageBitmap(file);
    context.drawImage(bitmap, 0, 0, SHEET, SHEET);
    bitmap.close();
    setFitted(false);
    read(false);
    onDone();
  };
  return (
    <div className="image-input">
      <canvas
        ref={sheet}
        width={SHEET}
        height={SHEET}
        role="img"
        aria-label={`A sheet to draw on, ${form.width} by ${form.height}`}
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          draw(event);
        }}
        onPointerMove={draw}
        onPointerUp={() => {
          last.current = undefined;
          settle();
        }}
      />
      <div className="controls">
        <button
          type="button"
          onClick={() => {
            clear(sheet.current);
            read(isFitted);
          }}
        >
          Clear
        </button>
        <label className="field inline">
          <input
            type="checkbox"
            checked={isFitted}
            onChange={(event) => {
              setFitted(event.target.checked);
              read(event.target.checked);
            }}
          />
          <span>centre and fit</span>
        </label>
        <label className="field inline">
          <span>or a file</span>
          <input type="file" accept="image/*" onChange={(event) => void open(event)} />
        </label>
      </div>
    </div>
  );
}

function clear(sheet: HTMLCanvasElement | null): void {
  const context = sheet?.getContext("2d");
  if (!context) return;
  context.fillStyle = "black";
  context.fillRect(0, 0, SHEET, SHEET);
}

/** The sheet in the size of the input; fitted, as a scanned character is. */
function pixelsOf(sheet: HTMLCanvasElement, { width, height }: ImageForm, isFitted: boolean): Uint8ClampedArray {
  const small = new OffscreenCanvas(width, height);
  const context = small.getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("this browser draws no images");
  context.fillStyle = "black";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  const ink = isFitted ? inkOfSheet(sheet) : undefined;
  if (ink === undefined) context.drawImage(sheet, 0, 0, width, height);
  else {
    const scale = (FILLED * Math.min(width, height)) / Math.max(ink.right - ink.left, ink.bottom - ink.top);
    context.drawImage(sheet, width / 2 - ink.x * scale, height / 2 - ink.y * scale, SHEET * scale, SHEET * scale);
  }
  return context.getImageData(0, 0, width, height).data;
}

function inkOfSheet(sheet: HTMLCanvasElement) {
  const { data } = sheet.getContext("2d")?.getImageData(0, 0, SHEET, SHEET) ?? {};
  if (data === undefined) return undefined;
  return inkOf(
    Array.from({ length: SHEET * SHEET }, (_, at) => (data[4 * at] ?? 0) / 255),
    SHEET,
  );
}
