/** Asks before a destination is deleted, because its address cannot be brought back. */
import Button from '@atlaskit/button/new';
import Modal, { ModalBody, ModalFooter, ModalHeader, ModalTitle, ModalTransition } from '@atlaskit/modal-dialog';

import type { Destination } from '../../api/types';

interface Props {
  readonly destination: Destination | null;
  readonly isBusy: boolean;
  readonly onConfirm: (destination: Destination) => void;
  readonly onCancel: () => void;
}

export function DeleteDialog({ destination, isBusy, onConfirm, onCancel }: Props) {
  return (
    <ModalTransition>
      {destination && (
        <Modal onClose={onCancel} width="small">
          <ModalHeader>
            <ModalTitle appearance="danger">Delete “{destination.label}”?</ModalTitle>
          </ModalHeader>
          <ModalBody>
            No further messages go to this channel. Its address is erased; to use it again, add it anew.
          </ModalBody>
          <ModalFooter>
            <Button appearance="subtle" isDisabled={isBusy} onClick={onCancel}>
              Keep
            </Button>
            <Button
              appearance="danger"
              autoFocus
              isLoading={isBusy}
              onClick={() => onConfirm(destination)}
            >
              Delete
            </Button>
          </ModalFooter>
        </Modal>
      )}
    </ModalTransition>
  );
}
