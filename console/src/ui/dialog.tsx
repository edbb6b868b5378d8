import { useState, type ReactNode } from "react";
import { Dialog, Heading, Modal, ModalOverlay } from "react-aria-components";
import { Complaint } from "./states.tsx";

interface PanelProps {
  readonly title: string;
  readonly isOpen: boolean;
  readonly onClose: () => void;
  readonly children: ReactNode;
  readonly role?: "dialog" | "alertdialog";
}

/** A dialog: it keeps the focus until Esc or a click beside it, and then returns it to where it was. */
export function Panel({ title, isOpen, onClose, children, role = "dialog" }: PanelProps) {
  return (
    <ModalOverlay
      className="overlay"
      isOpen={isOpen}
      onOpenChange={(open) => !open && onClose()}
      isDismissable={role === "dialog"}
    >
      <Modal className="modal">
        <Dialog role={role}>
          <div className="modal-head">
            <Heading slot="title">{title}</Heading>
            <button type="button" className="quiet" aria-label="Close" onClick={onClose}>
              ✕
            </button>
          </div>
          {children}
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}

/** Asks before something is changed, and says what went wrong where it was asked. */
export function ConfirmButton({
  label,
  title,
  children,
  confirm,
  run,
  takesWhy = false,
  isDanger = false,
  onOpen = () => undefined,
}: {
  readonly label: string;
  readonly title: string;
  readonly children: ReactNode;
  readonly confirm: string;
  readonly run: (why: string | undefined) => Promise<unknown>;
  readonly takesWhy?: boolean;
  readonly isDanger?: boolean;
  /** Before it is shown: what was written into its fields before counts no more. */
  readonly onOpen?: () => void;
}) {
  const [isOpen, setOpen] = useState(false);
  const [isRunning, setRunning] = useState(false);
  const [why, setWhy] = useState("");
  const [error, setError] = useState<unknown>();
  const open = (): void => {
    onOpen();
    setOpen(true);
  };
  const close = (): void => {
    setOpen(false);
    setError(undefined);
    setWhy("");
  };
  const go = async (): Promise<void> => {
    setRunning(true);
    try {
      await run(why.trim() === "" ? undefined : why.trim());
      close();
    } catch (thrown) {
      setError(thrown);
    } finally {
      setRunning(false);
    }
  };
  return (
    <>
      <button type="button" className={isDanger ? "danger" : undefined} onClick={open}>
        {label}
      </button>
      <Panel title={title} isOpen={isOpen} onClose={close} role="alertdialog">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void go();
          }}
        >
          {children}
          {takesWhy && (
            <label className="field">
              <span>Why (for the history)</span>
              <input type="text" maxLength={500} value={why} onChange={(event) => setWhy(event.target.value)} />
            </label>
          )}
          {error !== undefined && <Complaint error={error} />}
          <div className="actions">
            <button type="button" className="quiet" onClick={close}>
              Cancel
            </button>
            <button type="submit" className={isDanger ? "danger" : "primary"} disabled={isRunning}>
              {confirm}
            </button>
          </div>
        </form>
      </Panel>
    </>
  );
}
