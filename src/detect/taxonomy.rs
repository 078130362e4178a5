//! Logsources beyond Windows and Linux: which data sets a product's or category's words mean, and under which
//! names the records' own fields are kept.
//!
//! The words are those of the Sigma taxonomy and of its public rule pack; `vault`, `openbao`, `gen_ai` and a few
//! more are ours. A data set is what the decoders write into `event.dataset`.

/// Data sets that a logsource names, and the prefixes of fields that hold what the record said itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    product: &'static str,
    /// The words of `service`, or of `category`; empty: the product alone is enough.
    words: &'static [&'static str],
    /// Values of `event.dataset`.
    pub datasets: &'static [&'static str],
    /// Where unmapped names of the record are kept.
    pub namespaces: &'static [&'static str],
}

const fn family(
    product: &'static str,
    words: &'static [&'static str],
    datasets: &'static [&'static str],
    namespaces: &'static [&'static str],
) -> Family {
    Family { product, words, datasets, namespaces }
}

/// The data sets of network firewalls.
const FIREWALLS: &[&str] = &[
    "barracuda.log",
    "checkpoint.log",
    "cisco_asa.log",
    "fortigate.log",
    "huawei_usg.log",
    "iptables.log",
    "juniper_srx.log",
    "mikrotik.log",
    "netscreen.log",
    "paloalto.log",
    "pfsense.log",
    "sonicwall.log",
    "sophos.log",
    "ufw.log",
    "watchguard.log",
];

/// Products of their own: by product, then by service or category.
const PRODUCTS: &[Family] = &[
    family("aws", &["", "cloudtrail"], &["aws.cloudtrail"], &["aws.cloudtrail"]),
    family("aws", &["guardduty"], &["aws.guardduty"], &["aws.guardduty"]),
    family("aws", &["vpcflow"], &["aws.vpcflow"], &["aws.vpcflow"]),
    family("aws", &["waf"], &["aws.waf"], &["aws.waf"]),
    family("aws", &["route53"], &["aws.route53"], &["aws.route53"]),
    family("aws", &["s3", "s3access"], &["aws.s3access"], &["aws.s3access"]),
    family("aws", &["securityhub"], &["aws.securityhub"], &["aws.securityhub"]),
    family("azure", &["activitylogs"], &["azure.activitylogs"], &["azure.activitylogs"]),
    family("azure", &["auditlogs"], &["azure.auditlogs"], &["azure.auditlogs"]),
    family("azure", &["signinlogs"], &["azure.signinlogs"], &["azure.signinlogs"]),
    family(
        "azure",
        &["riskdetection", "pim"],
        &["azure.identity_protection"],
        &["azure.identity_protection"],
    ),
    family("azure", &["keyvault"], &["azure.keyvault"], &["azure.keyvault"]),
    family("gcp", &["", "gcp.audit"], &["gcp.audit"], &["gcp.audit"]),
    family("gcp", &["google_workspace.admin"], &["google_workspace.admin"], &["google_workspace"]),
    family("gcp", &["google_workspace.login"], &["google_workspace.login"], &["google_workspace"]),
    family(
        "m365",
        &["", "audit", "exchange", "threat_management", "threat_detection"],
        &["o365.audit"],
        &["o365.audit"],
    ),
    family("okta", &["", "okta"], &["okta.system", "okta.hook"], &["okta"]),
    family("github", &["", "audit"], &["github.audit"], &["github.audit"]),
    family("gitlab", &["", "audit"], &["gitlab.audit"], &["gitlab.audit"]),
    family("bitbucket", &["", "audit"], &["bitbucket.audit"], &["bitbucket.audit"]),
    family("onelogin", &["", "onelogin.events"], &["onelogin.events"], &["onelogin"]),
    family("auth0", &["", "auth0"], &["auth0.log", "auth0.stream"], &["auth0"]),
    family("cloudflare", &["audit"], &["cloudflare.audit"], &["cloudflare.audit"]),
    family("cloudflare", &["http"], &["cloudflare.http"], &["cloudflare.http"]),
    family("slack", &["", "audit"], &["slack.audit"], &["slack.audit"]),
    family("kubernetes", &["audit", "application"], &["kubernetes.audit"], &["kubernetes.audit"]),
    family("vault", &["", "audit"], &["vault.audit"], &["vault"]),
    family("openbao", &["", "audit"], &["vault.audit"], &["vault"]),
    family("cisco", &["aaa", "bgp", "ldp", "syslog"], &["cisco_ios.log"], &["cisco.ios"]),
    family("cisco", &["asa"], &["cisco_asa.log"], &["cisco.asa"]),
    family("cisco", &["duo"], &["duo.auth", "duo.admin"], &["duo"]),
    family("fortigate", &["", "event", "traffic", "utm"], &["fortigate.log"], &["fortinet"]),
    family("fortios", &["", "sslvpnd"], &["fortigate.log"], &["fortinet"]),
    family("huawei", &["bgp"], &["huawei_usg.log"], &["huawei"]),
    family("juniper", &["bgp"], &["juniper_srx.log"], &["juniper"]),
    family(
        "paloalto",
        &["", "globalprotect", "file_event", "appliance"],
        &["paloalto.log"],
        &["paloalto"],
    ),
    family("opencanary", &["application"], &["opencanary.alert"], &["opencanary"]),
    family("suricata", &["", "eve", "alert"], &["suricata.eve"], &["suricata.eve"]),
    family("gen_ai", &["", "agent_step"], &["gen_ai.step"], &["gen_ai"]),
    family("falco", &["", "alert"], &["falco.alert"], &["falco"]),
    family("modsecurity", &[""], &["modsecurity.audit", "coraza.log"], &["modsecurity.audit"]),
    family("wordpress", &[""], &["wordpress.log"], &["wordpress"]),
    family("zeek", &["conn"], &["zeek.conn"], &["zeek.conn"]),
    family("zeek", &["dce_rpc"], &["zeek.dce_rpc"], &["zeek.dce_rpc"]),
    family("zeek", &["dns"], &["zeek.dns"], &["zeek.dns"]),
    family("zeek", &["files"], &["zeek.files"], &["zeek.files"]),
    family("zeek", &["ftp"], &["zeek.ftp"], &["zeek.ftp"]),
    family("zeek", &["http"], &["zeek.http"], &["zeek.http"]),
    family("zeek", &["kerberos"], &["zeek.kerberos"], &["zeek.kerberos"]),
    family("zeek", &["notice"], &["zeek.notice"], &["zeek.notice"]),
    family("zeek", &["ntlm"], &["zeek.ntlm"], &["zeek.ntlm"]),
    family("zeek", &["rdp"], &["zeek.rdp"], &["zeek.rdp"]),
    family("zeek", &["smb_files"], &["zeek.smb_files"], &["zeek.smb_files"]),
    family("zeek", &["smb_mapping"], &["zeek.smb_mapping"], &["zeek.smb_mapping"]),
    family("zeek", &["smtp"], &["zeek.smtp"], &["zeek.smtp"]),
    family("zeek", &["ssh"], &["zeek.ssh"], &["zeek.ssh"]),
    family("zeek", &["ssl"], &["zeek.ssl"], &["zeek.ssl"]),
    family("zeek", &["tunnel"], &["zeek.tunnel"], &["zeek.tunnel"]),
    family("zeek", &["weird"], &["zeek.weird"], &["zeek.weird"]),
    family("zeek", &["x509"], &["zeek.x509"], &["zeek.x509"]),
];

/// Words that need no product.
const WORDS: &[Family] = &[
    family("", &["proxy"], &["squid.log", "cloudflare.http"], &["squid"]),
    family("", &["firewall"], FIREWALLS, &["fortinet", "paloalto", "checkpoint"]),
    family("", &["antivirus"], &["clamav.log", "eset.log", "mcafee_epo.log", "sophos.log"], &[]),
    family(
        "",
        &["database"],
        &["mongodb.log", "mssql.log", "mysql.log", "postgresql.log", "redis.log"],
        &[],
    ),
    family("", &["apache"], &["apache.error"], &["apache.error"]),
    family("", &["nginx"], &["nginx.error"], &["nginx.error"]),
    family("", &["cloudtrail"], &["aws.cloudtrail"], &["aws.cloudtrail"]),
];

/// What a product with the words of its category and service means; `None`: nothing that is known.
pub fn product(product: &str, category: Option<&str>, service: Option<&str>) -> Option<Family> {
    let of = |word: &str| {
        PRODUCTS.iter().find(|known| known.product == product && known.words.contains(&word))
    };
    match (category, service) {
        (None, None) => of(""),
        (Some(word), None) | (None, Some(word)) => of(word),
        (Some(category), Some(service)) => of(service).filter(|known| of(category) == Some(*known)),
    }
    .copied()
}

/// What a category or service means without a product.
pub fn word(word: &str) -> Option<Family> {
    WORDS.iter().find(|known| known.words.contains(&word)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_means_its_services_and_nothing_else() {
        let datasets = |found: Option<Family>| found.map(|family| family.datasets).unwrap_or(&[]);
        assert_eq!(datasets(product("aws", None, Some("cloudtrail"))), ["aws.cloudtrail"]);
        assert_eq!(datasets(product("okta", None, Some("okta"))), ["okta.system", "okta.hook"]);
        let kubernetes = product("kubernetes", Some("application"), Some("audit"));
        assert_eq!(datasets(kubernetes), ["kubernetes.audit"]);
        assert_eq!(product("aws", None, Some("nonsense")), None);
        assert_eq!(product("cisco", Some("proxy"), Some("aaa")), None);
        assert_eq!(word("antivirus").map(|family| family.datasets.len()), Some(4));
    }

    #[test]
    fn no_word_of_a_product_stands_twice() {
        for (number, one) in PRODUCTS.iter().enumerate() {
            for other in PRODUCTS.iter().skip(number + 1).filter(|it| it.product == one.product) {
                assert!(one.words.iter().all(|word| !other.words.contains(word)), "{other:?}");
            }
        }
    }
}
