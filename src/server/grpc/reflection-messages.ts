import { declareField, declareMessage, declareOneOf } from '../../schema/declaration.js';
import type { FieldType } from '../../schema/field-type.js';
import type { MessageType } from '../../schema/message-type.js';

/** What is asked: one of the members after `host`. */
export interface ReflectionRequest {
  readonly host: string;
  readonly file_by_filename?: string;
  readonly file_containing_symbol?: string;
  readonly file_containing_extension?: {
    readonly containing_type: string;
    readonly extension_number: number;
  };
  readonly all_extension_numbers_of_type?: string;
  readonly list_services?: string;
}

/** What is answered. */
export interface ReflectionResponse {
  readonly valid_host: string;
  readonly original_request: ReflectionRequest;
  readonly file_descriptor_response?: { readonly file_descriptor_proto: readonly Uint8Array[] };
  readonly all_extension_numbers_response?: { readonly base_type_name: string };
  readonly list_services_response?: { readonly service: readonly { readonly name: string }[] };
  readonly error_response?: { readonly error_code: number; readonly error_message: string };
}

/** The types of one version of the protocol, of which the versions differ in their package alone. Source: grpc `grpc/reflection/v1/reflection.proto`. */
export function reflectionMessages(pack: string): {
  readonly request: MessageType;
  readonly response: MessageType;
} {
  const make = (name: string, fields: Fields, oneof?: string): MessageType => {
    class Declared {
      constructor() {
        for (const [property, [id, type, label]] of Object.entries(fields))
          if (oneof === undefined || id < FIRST_CHOICE)
            Object.assign(this, { [property]: beginning(type, label) });
      }
    }
    declareMessage(Declared, `${pack}.${name}`, []);
    for (const [property, [id, type, label = 'single']] of Object.entries(fields)) {
      declareField(Declared.prototype, { property, id, label, type, optional: false });
      if (oneof !== undefined && id >= FIRST_CHOICE) declareOneOf(Declared.prototype, property, oneof);
    }
    return Declared;
  };
  const extension = make('ExtensionRequest', {
    containing_type: [1, 'string'],
    extension_number: [2, 'int32'],
  });
  const request = make(
    'ServerReflectionRequest',
    {
      host: [1, 'string'],
      file_by_filename: [3, 'string'],
      file_containing_symbol: [4, 'string'],
      file_containing_extension: [5, extension],
      all_extension_numbers_of_type: [6, 'string'],
      list_services: [7, 'string'],
    },
    'message_request',
  );
  const response = make(
    'ServerReflectionResponse',
    {
      valid_host: [1, 'string'],
      original_request: [2, request],
      file_descriptor_response: [
        4,
        make('FileDescriptorResponse', { file_descriptor_proto: [1, 'bytes', 'repeated'] }),
      ],
      all_extension_numbers_response: [
        5,
        make('ExtensionNumberResponse', {
          base_type_name: [1, 'string'],
          extension_number: [2, 'int32', 'repeated'],
        }),
      ],
      list_services_response: [
        6,
        make('ListServiceResponse', {
          service: [1, make('ServiceResponse', { name: [1, 'string'] }), 'repeated'],
        }),
      ],
      error_response: [7, make('ErrorResponse', { error_code: [1, 'int32'], error_message: [2, 'string'] })],
    },
    'message_response',
  );
  return { request, response };
}

type Fields = Readonly<Record<string, readonly [id: number, type: FieldType, label?: 'single' | 'repeated']>>;

/** What a field holds that nothing was read into. */
function beginning(type: FieldType, label: 'single' | 'repeated' | undefined): unknown {
  if (label === 'repeated') return [];
  return type === 'string' ? '' : type === 'int32' ? 0 : undefined;
}

/** The members of either message from this number on are a oneof. */
const FIRST_CHOICE = 3;
