//! Ids of event data fields that the decoder reads by name, interned once.

use crate::model::field::FieldId;
use crate::model::windows_fields::EVENT_DATA;

macro_rules! fields {
    ($($field:ident = $name:literal,)*) => {
        /// Ids of event data fields; `None` where the table of names is full.
        #[derive(Clone, Debug)]
        pub struct Fields {
            $(#[doc = concat!("`", $name, "`")] pub $field: Option<FieldId>,)*
        }

        impl Default for Fields {
            fn default() -> Fields {
                let data = |name: &str| FieldId::intern(&format!("{EVENT_DATA}{name}"));
                Fields { $($field: data($name),)* }
            }
        }
    };
}

fields! {
    access_mask = "AccessMask",
    access_text = "AccessMaskDescription",
    context_info = "ContextInfo",
    data = "Data",
    elevation = "TokenElevationType",
    elevation_text = "TokenElevationTypeDescription",
    event_type = "EventType",
    failure_reason = "FailureReason",
    granted_access = "GrantedAccess",
    granted_text = "GrantedAccessDescription",
    logon_type = "LogonType",
    new_value = "NewValue",
    new_value_type = "NewValueType",
    object_name = "ObjectName",
    object_server = "ObjectServer",
    object_type = "ObjectType",
    object_value_name = "ObjectValueName",
    operation_type = "OperationType",
    param2 = "param2",
    param3 = "param3",
    payload = "payload",
    pre_authentication = "PreAuthType",
    pre_authentication_text = "PreAuthTypeDescription",
    process = "process",
    relative_target = "RelativeTargetName",
    share_local_path = "ShareLocalPath",
    share_name = "ShareName",
    status = "Status",
    sub_status = "SubStatus",
    subject_logon_id = "SubjectLogonId",
    target_logon_id = "TargetLogonId",
    ticket_encryption = "TicketEncryptionType",
    ticket_encryption_text = "TicketEncryptionTypeDescription",
}
