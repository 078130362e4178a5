//! Events like Sysmon's, made from a number.

use watchfloor::model::class::Class;
use watchfloor::model::event::Event;
use watchfloor::model::field;
use watchfloor::stdx::id::Id128;
use watchfloor::stdx::time::Timestamp;

/// One about as long as real ones, 0.3 s behind the one before it.
pub fn event(number: u64) -> Event {
    let mut event = Event::with_capacity(40, 2_048);
    event.id = Id128((u128::from(number)).to_be_bytes());
    event.timestamp = Timestamp(1_700_000_000_000_000 + number as i64 * 300_000);
    event.push_str(field::WINLOG_CHANNEL, "Microsoft-Windows-Sysmon/Operational");
    event.push_str(field::WINLOG_PROVIDER_NAME, "Microsoft-Windows-Sysmon");
    event.push_str(field::HOST_NAME, "pc-17.example.org");
    for filler in 0..12 {
        event.push_int(field::EVENT_SEQUENCE, filler);
    }
    let process = number % 13;
    event.push_str(
        field::PROCESS_ENTITY_ID,
        &format!("03ba39f5-672f-5ce0-0000-0010c0b2{process:04}"),
    );
    event.push_int(field::PROCESS_PID, 4_000 + process as i64);
    event
        .push_str(field::PROCESS_EXECUTABLE, &format!(r"C:\Windows\System32\program{process}.exe"));
    match number % 5 {
        0 => {
            event.push_str(field::EVENT_CODE, "1");
            event.class = Class::ProcessStart;
            let line = r#""C:\Windows\System32\program.exe" -noP -sta -w 1 C:\Users\bob\a.txt /q 10.0.0.1"#;
            event.push_str(field::PROCESS_COMMAND_LINE, line);
            event.push_str(field::PROCESS_PARENT_ENTITY_ID, "03ba39f5-672f-5ce0-0000-0010c0b20000");
            event.push_str(field::PROCESS_PARENT_EXECUTABLE, r"C:\Windows\explorer.exe");
            event.push_str(field::USER_NAME, "bob");
        }
        1 => {
            event.push_str(field::EVENT_CODE, "3");
            event.class = Class::NetworkConnect;
            event.push_str(field::DESTINATION_IP, &format!("10.0.0.{}", number % 31));
            event.push_int(field::DESTINATION_PORT, 443);
        }
        2 => {
            event.push_str(field::EVENT_CODE, "13");
            event.class = Class::RegistrySet;
            let key = format!(r"SOFTWARE\Microsoft\Windows\CurrentVersion\Key{}", number % 37);
            event.push_str(field::REGISTRY_HIVE, "HKLM");
            event.push_str(field::REGISTRY_KEY, &key);
            event.push_str(field::REGISTRY_DATA, "DWORD (0x00000001)");
        }
        3 => {
            event.push_str(field::EVENT_CODE, "11");
            event.class = Class::FileCreate;
            let path = format!(r"C:\Users\bob\AppData\Local\Temp\file{}.tmp", number % 41);
            event.push_str(field::FILE_PATH, &path);
        }
        _ => {
            event.push_str(field::EVENT_CODE, "7");
            event.class = Class::ImageLoad;
            event.push_str(
                field::DLL_PATH,
                &format!(r"C:\Windows\System32\library{}.dll", number % 29),
            );
        }
    }
    event
}
