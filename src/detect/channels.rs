//! The channels of Windows event logs: which of them a rule's `service` means, and which a provider writes to.

/// Where Sysmon writes.
pub const SYSMON: &str = "Microsoft-Windows-Sysmon/Operational";
/// Where the two PowerShells write.
pub const POWERSHELL: &[&str] =
    &["Microsoft-Windows-PowerShell/Operational", "PowerShellCore/Operational"];

/// The channel a provider writes to, for events whose own channel is that of the collector.
pub fn home_channel(provider: &str, code: Option<u32>) -> Option<&'static str> {
    let known: &[(&str, &str)] = &[
        ("Microsoft-Windows-Sysmon", SYSMON),
        ("Microsoft-Windows-Security-Auditing", "Security"),
        ("Microsoft-Windows-PowerShell", "Microsoft-Windows-PowerShell/Operational"),
        ("PowerShellCore", "PowerShellCore/Operational"),
        ("PowerShell", "Windows PowerShell"),
        ("Service Control Manager", "System"),
        ("Microsoft-Windows-Windows Defender", "Microsoft-Windows-Windows Defender/Operational"),
        ("Microsoft-Windows-TaskScheduler", "Microsoft-Windows-TaskScheduler/Operational"),
        ("Microsoft-Windows-WMI-Activity", "Microsoft-Windows-WMI-Activity/Operational"),
        ("Microsoft-Windows-Bits-Client", "Microsoft-Windows-Bits-Client/Operational"),
        ("Microsoft-Windows-DNS-Client", "Microsoft-Windows-DNS-Client/Operational"),
    ];
    if provider.eq_ignore_ascii_case("Microsoft-Windows-Eventlog") {
        return Some(if code == Some(1102) { "Security" } else { "System" });
    }
    known.iter().find(|(name, _)| provider.eq_ignore_ascii_case(name)).map(|(_, channel)| *channel)
}

/// The channels that a `service` of Windows names.
pub fn windows_channels(word: &str) -> Option<&'static [&'static str]> {
    Some(match word {
        "security" => &["Security"],
        "system" => &["System"],
        "application" => &["Application"],
        "sysmon" => &[SYSMON],
        "powershell" => POWERSHELL,
        "powershell-classic" => &["Windows PowerShell"],
        "taskscheduler" => &["Microsoft-Windows-TaskScheduler/Operational"],
        "windefend" => &["Microsoft-Windows-Windows Defender/Operational"],
        "wmi" => &["Microsoft-Windows-WMI-Activity/Operational"],
        "dns-server" => &["DNS Server"],
        "dns-server-audit" => {
            &["Microsoft-Windows-DNS-Server/Audit", "Microsoft-Windows-DNSServer/Audit"]
        }
        "dns-server-analytic" => {
            &["Microsoft-Windows-DNS-Server/Analytical", "Microsoft-Windows-DNSServer/Analytical"]
        }
        "dns-client" => &[
            "Microsoft-Windows-DNS-Client/Operational",
            "Microsoft-Windows-DNS Client Events/Operational",
        ],
        "driver-framework" => &["Microsoft-Windows-DriverFrameworks-UserMode/Operational"],
        "ntlm" => &["Microsoft-Windows-NTLM/Operational"],
        "dhcp" => &["Microsoft-Windows-DHCP-Server/Operational"],
        "msexchange-management" => &["MSExchange Management"],
        "printservice-admin" => &["Microsoft-Windows-PrintService/Admin"],
        "printservice-operational" => &["Microsoft-Windows-PrintService/Operational"],
        "codeintegrity-operational" => &["Microsoft-Windows-CodeIntegrity/Operational"],
        "security-mitigations" => &[
            "Microsoft-Windows-Security-Mitigations/KernelMode",
            "Microsoft-Windows-Security-Mitigations/UserMode",
            "Microsoft-Windows-Security-Mitigations/Kernel Mode",
            "Microsoft-Windows-Security-Mitigations/User Mode",
        ],
        "smbclient-security" => &["Microsoft-Windows-SmbClient/Security"],
        "smbclient-connectivity" => &["Microsoft-Windows-SmbClient/Connectivity"],
        "smbserver-connectivity" => &["Microsoft-Windows-SMBServer/Connectivity"],
        "firewall-as" => &["Microsoft-Windows-Windows Firewall With Advanced Security/Firewall"],
        "bits-client" => &["Microsoft-Windows-Bits-Client/Operational"],
        "applocker" => &[
            "Microsoft-Windows-AppLocker/MSI and Script",
            "Microsoft-Windows-AppLocker/EXE and DLL",
            "Microsoft-Windows-AppLocker/Packaged app-Deployment",
            "Microsoft-Windows-AppLocker/Packaged app-Execution",
        ],
        "openssh" => &["OpenSSH/Operational"],
        "ldap" => &["Microsoft-Windows-LDAP-Client/Debug"],
        "bitlocker" => &["Microsoft-Windows-BitLocker/BitLocker Management"],
        "vhdmp" => &["Microsoft-Windows-VHDMP-Operational", "Microsoft-Windows-VHDMP/Operational"],
        "appxdeployment-server" => &["Microsoft-Windows-AppXDeploymentServer/Operational"],
        "appxpackaging-om" => &["Microsoft-Windows-AppxPackaging/Operational"],
        "appmodel-runtime" => &["Microsoft-Windows-AppModel-Runtime/Admin"],
        "lsa-server" => &["Microsoft-Windows-LSA/Operational"],
        "capi2" => &["Microsoft-Windows-CAPI2/Operational"],
        "certificateservicesclient-lifecycle-system" => {
            &["Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational"]
        }
        "diagnosis-scripted" => &["Microsoft-Windows-Diagnosis-Scripted/Operational"],
        "shell-core" => &["Microsoft-Windows-Shell-Core/Operational"],
        "terminalservices-localsessionmanager" => {
            &["Microsoft-Windows-TerminalServices-LocalSessionManager/Operational"]
        }
        "iis-configuration" => &["Microsoft-IIS-Configuration/Operational"],
        "microsoft-servicebus-client" => {
            &["Microsoft-ServiceBus-Client", "Microsoft-ServiceBus-Client/Operational"]
        }
        _ => return None,
    })
}
