/** A file that was dropped or chosen, and its path in what was. */
export interface ChosenFile {
  readonly path: string;
  readonly file: File;
}

/** What was dropped or chosen: a file, several beside each other, or a folder with all that is in it. */
export interface Chosen {
  /** Of the folder or the file, for a person. */
  readonly name: string;
  readonly isFolder: boolean;
  readonly files: readonly ChosenFile[];
}

/** More than a version can have: somebody dropped a folder of other things. */
const MAX_FILES = 1_000;

/** What the browser's dialog chose. Undefined for nothing. */
export function chosenBy(list: FileList | null): Chosen | undefined {
  const files = [...(list ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
  return chosenOf(files);
}

/** What was dropped; folders are read to the bottom. To be called while the event is handled, which alone may read it. */
export function droppedIn(data: DataTransfer): Promise<Chosen | undefined> {
  const entries = [...data.items].flatMap((item) => item.webkitGetAsEntry() ?? []);
  return filesOf(entries, "").then(chosenOf);
}

/** A path that begins with a folder's name means a folder. */
function chosenOf(files: readonly ChosenFile[]): Chosen | undefined {
  const visible = files.filter(({ path }) => !path.split("/").some((part) => part.startsWith(".")));
  const [first, ...more] = visible;
  if (first === undefined) return undefined;
  const root = first.path.includes("/") ? first.path.slice(0, first.path.indexOf("/")) : undefined;
  if (root !== undefined && visible.every(({ path }) => path.startsWith(`${root}/`)))
    return {
      name: root,
      isFolder: true,
      files: visible.map(({ path, file }) => ({ path: path.slice(root.length + 1), file })),
    };
  return { name: first.file.name, isFolder: more.length > 0, files: visible };
}

async function filesOf(entries: readonly FileSystemEntry[], under: string): Promise<readonly ChosenFile[]> {
  const found: ChosenFile[] = [];
  for (const entry of entries) {
    const path = `${under}${entry.name}`;
    if (isFile(entry)) {
      const file = await new Promise<File>((resolve, reject) => entry.file(resolve, reject));
      found.push({ path, file });
    } else if (isFolder(entry)) {
      found.push(...(await filesOf(await entriesOf(entry), `${path}/`)));
    }
    if (found.length > MAX_FILES) throw new Error(`there are more than ${MAX_FILES} files in what was dropped`);
  }
  return found;
}

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;
const isFolder = (entry: FileSystemEntry): entry is FileSystemDirectoryEntry => entry.isDirectory;

/** A browser hands out a hundred at a time, and none when that was all. */
async function entriesOf(folder: FileSystemDirectoryEntry): Promise<readonly FileSystemEntry[]> {
  const reader = folder.createReader();
  const all: FileSystemEntry[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return all;
    all.push(...some);
    if (all.length > MAX_FILES) return all;
  }
}
