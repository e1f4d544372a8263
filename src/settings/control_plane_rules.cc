// What each setting of the control plane is for. The reference page is made of this table.
#include <array>

#include "settings/control_plane.h"

namespace mesh {

std::span<const SettingRule> control_plane_rules();
std::span<const std::string_view> control_plane_settings_without_effect();

namespace {

constexpr std::string_view kTlsVersions = "|TLSv1_0|TLSv1_1|TLSv1_2|TLSv1_3";
constexpr double kPortMax = 65535;

constexpr SettingRule text(std::string_view path, std::string_view doc) { return {.path = path, .doc = doc}; }
constexpr SettingRule choice(std::string_view path, std::string_view allowed, std::string_view doc) {
  return {.path = path, .doc = doc, .allowed = allowed};
}
constexpr SettingRule number(std::string_view path, double min, double max, std::string_view doc) {
  return {.path = path, .doc = doc, .min = min, .max = max};
}
constexpr SettingRule port(std::string_view path, std::string_view doc) { return number(path, 0, kPortMax, doc); }
constexpr SettingRule hidden(std::string_view path, std::string_view doc) {
  return {.path = path, .doc = doc, .secret = true};
}
constexpr SettingRule named(std::string_view variable, SettingRule rule) {
  rule.variable = variable;
  return rule;
}

constexpr std::array kRules = {
    // ---- general
    text("general.dnsCacheTTL", "How long answers of DNS are kept."),
    text("general.tlsCertFile",
         "Certificate (PEM) of every TLS port that has none of its own. Empty: one is made at the first start."),
    text("general.tlsKeyFile", "Key of that certificate."),
    choice("general.tlsMinVersion", kTlsVersions, "Oldest version of TLS that is spoken."),
    choice("general.tlsMaxVersion", kTlsVersions, "Newest version of TLS that is spoken. Empty: the newest there is."),
    text("general.tlsCipherSuites", "Cipher suites that are allowed. Empty: those of the TLS library."),
    text("general.workDir", "Where files are kept: the store, certificates. Empty: .taskmesh in the home directory."),
    choice("environment", "universal", "Where the control plane runs."),
    choice("mode", "zone", "What the control plane is: that of a zone."),
    // ---- store
    choice("store.type", "sqlite|memory|postgres", "Where resources are kept: a file, nowhere, a database server."),
    text("store.sqlite.path", "The file of the store. Empty: taskmesh.db in the work directory."),
    text("store.postgres.host", "Host of the database server."),
    port("store.postgres.port", "Its port."),
    text("store.postgres.user", "User to log in as."),
    hidden("store.postgres.password", "Password of that user."),
    text(
        "store.postgres.passwordFile",
        "File with the password, read anew for each connection: a password that is rotated needs no restart. Wins over "
        "`password`."),
    text("store.postgres.awsIamAuth",
         "Log in with the IAM role of this control plane in place of a password (Amazon RDS, Aurora). Needs TLS."),
    text("store.postgres.dbName", "Name of the database."),
    number("store.postgres.connectionTimeout", 0, 3600, "Seconds to wait for a connection. 0: for ever."),
    text("store.postgres.maxConnectionIdleTime", "A connection that was idle for so long is closed."),
    text("store.postgres.maxConnectionLifetime", "A connection that is so old is closed."),
    text("store.postgres.maxConnectionLifetimeJitter", "Spreads the closing of old connections over this time."),
    text("store.postgres.healthCheckInterval", "How often idle connections are checked."),
    number("store.postgres.minOpenConnections", 0, 10000, "Connections that are kept open."),
    number("store.postgres.maxOpenConnections", 0, 10000, "Connections that may be open. 0: no limit."),
    choice("store.postgres.tls.mode", "disable|verifyNone|verifyCa|verifyFull",
           "Is the connection encrypted, and how is the server verified?"),
    text("store.postgres.tls.certPath", "Client certificate."),
    text("store.postgres.tls.keyPath", "Key of the client certificate."),
    text("store.postgres.tls.caPath", "Certificates to verify the server against."),
    text("store.postgres.tls.disableSSLSNI", "Do not tell the server's name in the TLS handshake."),
    text("store.postgres.readReplica.host", "Host of a read replica. Empty: none."),
    port("store.postgres.readReplica.port", "Its port."),
    number("store.postgres.readReplica.ratio", 0, 100, "Percentage of reads that go to the replica."),
    text("store.upsert.conflictRetryBaseBackoff", "First pause before a write that met another is tried again."),
    number("store.upsert.conflictRetryMaxTimes", 0, 1000, "How often it is tried again."),
    number("store.upsert.conflictRetryJitterPercent", 0, 100, "Spread of the pauses."),
    text("store.unsafeDelete", "A mesh may be deleted together with the dataplanes in it."),
    // ---- bootstrap
    text("bootstrapServer.params.adminAddress", "Address of Envoy's admin interface."),
    port("bootstrapServer.params.adminPort", "Port of Envoy's admin interface."),
    text("bootstrapServer.params.envoyAdminUnixSocket",
         "Envoy's admin interface listens on a Unix socket where the sidecar names one."),
    port("bootstrapServer.params.readinessPort", "Port where the sidecar says whether it is ready."),
    text("bootstrapServer.params.adminAccessLogPath", "Access log of Envoy's admin interface."),
    text("bootstrapServer.params.xdsHost", "Host that Envoy connects to. Empty: the one that the sidecar asked."),
    port("bootstrapServer.params.xdsPort", "Port that Envoy connects to. 0: that of dpServer."),
    text("bootstrapServer.params.xdsConnectTimeout", "How long Envoy waits for that connection."),
    number("bootstrapServer.params.xdsGrpcMaxReceiveMessageBytes", 1024, 2147483647,
           "Largest message that Envoy takes from us, where it can be set."),
    text("xdsServer.dataplaneStatusFlushInterval", "How often what proxies answered is written to their insights."),
    named("KUMA_XDS_DATAPLANE_DEREGISTRATION_DELAY",
          text("xdsServer.dataplaneDeregistrationDelay",
               "A Dataplane that its proxy made is deleted when the proxy has been silent for so long.")),
    text("xdsServer.nackBackoff", "Pause before what was refused is sent again. It never is, unchanged."),
    // ---- REST
    text("apiServer.readOnly", "Nothing can be changed through the API."),
    text("apiServer.corsAllowedDomains", "Origins that browsers may call from; \".*\" is any. Empty: none."),
    text("apiServer.http.enabled", "Is the API served over HTTP?"),
    text("apiServer.http.interface", "Address to listen on."),
    port("apiServer.http.port", "Port of the API over HTTP."),
    text("apiServer.https.enabled", "Is the API served over HTTPS?"),
    text("apiServer.https.interface", "Address to listen on."),
    port("apiServer.https.port", "Port of the API over HTTPS."),
    text("apiServer.https.tlsCertFile", "Certificate of the API. Empty: that of general."),
    text("apiServer.https.tlsKeyFile", "Its key."),
    choice("apiServer.https.tlsMinVersion", kTlsVersions, "Oldest version of TLS that is spoken."),
    choice("apiServer.https.tlsMaxVersion", kTlsVersions, "Newest version of TLS that is spoken."),
    text("apiServer.https.tlsCipherSuites", "Cipher suites that are allowed."),
    text("apiServer.https.requireClientCert", "Only clients with a certificate are let in."),
    text("apiServer.https.tlsCaFile", "Certificates to verify clients against."),
    text("apiServer.auth.clientCertsDir",
         "Directory of certificates to verify clients against: who shows such a certificate is an admin."),
    choice("apiServer.authn.type", "tokens|adminClientCerts|clientCerts", "How users prove who they are."),
    text("apiServer.authn.localhostIsAdmin", "A request that comes directly from this machine is the admin's."),
    text("apiServer.authn.tokens.bootstrapAdminToken",
         "Make a token for the admin at the first start (global secret admin-user-token)."),
    text("apiServer.authn.tokens.enableIssuer", "Issue user tokens."),
    text("apiServer.authn.tokens.validator.useSecrets", "Accept user tokens that are signed with a key in the store."),
    text("apiServer.authn.tokens.validator.publicKeys",
         "Further public keys (kid, and key or keyFile) that user tokens may be signed with."),
    text("apiServer.basePath", "Path below which the API is served."),
    text("apiServer.rootUrl", "URL under which clients see the API. Empty: as they asked."),
    text("apiServer.gui.enabled", "Serve the web pages."),
    text("apiServer.gui.rootUrl", "URL under which browsers see the web pages."),
    text("apiServer.gui.basePath", "Path of the web pages."),
    text("apiServer.readHeaderTimeout", "Longest time for the header of a request."),
    text("apiServer.readTimeout", "Longest time for a request."),
    text("apiServer.writeTimeout", "Longest time for an answer."),
    text("apiServer.idleTimeout", "An idle connection is closed after this time."),
    // ---- runtime, defaults, metrics
    text("runtime.universal.dataplaneCleanupAge", "A dataplane that was offline for so long is deleted."),
    text("runtime.universal.zoneResourceCleanupAge", "A zone proxy that was offline for so long is deleted."),
    text("defaults.skipMeshCreation", "Do not make the mesh \"default\" at the first start."),
    text("defaults.skipTenantResources", "Make nothing at all at the first start."),
    text("defaults.enableLocalhostInboundClusters",
         "Reach applications at 127.0.0.1 instead of the dataplane's address."),
    text("defaults.SkipHostnameGenerators", "Do not make the first hostname generators."),
    number("metrics.dataplane.subscriptionLimit", 0, 1000,
           "Connections that the insight of a dataplane remembers. 0: all."),
    text("metrics.dataplane.idleTimeout", "A dataplane that says nothing for so long is offline."),
    number("metrics.zone.subscriptionLimit", 0, 1000, "Connections that the insight of a zone remembers. 0: all."),
    text("metrics.zone.idleTimeout", "A zone that says nothing for so long is offline."),
    text("metrics.controlPlane.reportResourcesCount", "Count resources in the metrics."),
    // ---- zones, names
    text("multizone.zone.name", "Name of this zone."),
    text("dnsServer.domain", "Domain of services' names."),
    text("dnsServer.CIDR", "Range of virtual addresses of services."),
    text("dnsServer.serviceVipEnabled", "Give services virtual addresses."),
    port("dnsServer.serviceVipPort", "Port at these addresses."),
    // ---- diagnostics
    port("diagnostics.serverPort", "Port of /healthy, /ready, /metrics."),
    text("diagnostics.debugEndpoints", "Serve what helps to look for faults."),
    text("diagnostics.tlsEnabled", "Serve them over TLS."),
    text("diagnostics.tlsCertFile", "Certificate. Empty: that of general."),
    text("diagnostics.tlsKeyFile", "Its key."),
    choice("diagnostics.tlsMinVersion", kTlsVersions, "Oldest version of TLS that is spoken."),
    choice("diagnostics.tlsMaxVersion", kTlsVersions, "Newest version of TLS that is spoken."),
    text("diagnostics.tlsCipherSuites", "Cipher suites that are allowed."),
    // ---- the port for sidecars
    port("dpServer.port", "Port for sidecars and their Envoys."),
    text("dpServer.tlsCertFile", "Certificate. Empty: that of general."),
    text("dpServer.tlsKeyFile", "Its key."),
    choice("dpServer.tlsMinVersion", kTlsVersions, "Oldest version of TLS that is spoken."),
    choice("dpServer.tlsMaxVersion", kTlsVersions, "Newest version of TLS that is spoken."),
    text("dpServer.tlsCipherSuites", "Cipher suites that are allowed."),
    text("dpServer.readHeaderTimeout", "Longest time for the header of a request."),
    text("dpServer.gracefulShutdownTimeout",
         "In how much time sidecars are sent to another instance when the control plane stops."),
    text("dpServer.maxConnectionAge",
         "About how old connections of sidecars get before they are to come anew, perhaps to another instance (a tenth "
         "more or "
         "less). 0: as old as they like."),
    choice("dpServer.auth.type", "|dpToken|aws-iam|none",
           "The older name of the types below: for sidecars and zone proxies. They win."),
    text("dpServer.auth.useTokenPath", "The older name of enableReloadableTokens."),
    choice("dpServer.authn.dpProxy.type", "dpToken|aws-iam|none",
           "How sidecars prove who they are: by a token, or by the IAM role of their task (see ecs-identity.md)."),
    text("dpServer.authn.dpProxy.dpToken.enableIssuer", "Issue dataplane tokens."),
    text("dpServer.authn.dpProxy.dpToken.validator.useSecrets",
         "Accept dataplane tokens that are signed with a key in the store."),
    text("dpServer.authn.dpProxy.dpToken.validator.publicKeys",
         "Further public keys (mesh, kid, and key or keyFile) for dataplane tokens."),
    choice("dpServer.authn.zoneProxy.type", "zoneToken|aws-iam|none", "How zone proxies prove who they are."),
    text("dpServer.authn.zoneProxy.zoneToken.enableIssuer", "Issue zone tokens."),
    text("dpServer.authn.zoneProxy.zoneToken.validator.useSecrets",
         "Accept zone tokens that are signed with a key in the store."),
    text("dpServer.authn.zoneProxy.zoneToken.validator.publicKeys",
         "Further public keys (kid, and key or keyFile) for zone tokens."),
    text("dpServer.authn.enableReloadableTokens", "Sidecars read their token again when its file changes."),
    text("dpServer.hds.enabled", "Probe applications through the health discovery of their Envoys."),
    text("dpServer.hds.interval", "How often Envoy reports the results."),
    text("dpServer.hds.refreshInterval", "How often changed probes are sent: at once."),
    named("KUMA_DP_SERVER_HDS_CHECK_TIMEOUT", text("dpServer.hds.checkDefaults.timeout", "How long a probe may take.")),
    named("KUMA_DP_SERVER_HDS_CHECK_INTERVAL",
          text("dpServer.hds.checkDefaults.interval", "How often an application is probed.")),
    named("KUMA_DP_SERVER_HDS_CHECK_NO_TRAFFIC_INTERVAL",
          text("dpServer.hds.checkDefaults.noTrafficInterval", "The same when it gets no traffic.")),
    named("KUMA_DP_SERVER_HDS_CHECK_HEALTHY_THRESHOLD",
          number("dpServer.hds.checkDefaults.healthyThreshold", 1, 1000, "Good probes until it is healthy.")),
    named("KUMA_DP_SERVER_HDS_CHECK_UNHEALTHY_THRESHOLD",
          number("dpServer.hds.checkDefaults.unhealthyThreshold", 1, 1000, "Bad probes until it is not.")),
    // ---- who may do what
    choice("access.type", "static", "Where it is said who may do what: in these settings."),
    text("access.static.adminResources.users", "Users who may read and write secrets."),
    text("access.static.adminResources.groups", "Groups that may."),
    text("access.static.generateDpToken.users", "Users who may make dataplane tokens."),
    text("access.static.generateDpToken.groups", "Groups that may."),
    text("access.static.generateUserToken.users", "Users who may make user tokens."),
    text("access.static.generateUserToken.groups", "Groups that may."),
    text("access.static.generateZoneToken.users", "Users who may make zone tokens."),
    text("access.static.generateZoneToken.groups", "Groups that may."),
    named("KUMA_ACCESS_STATIC_GET_CONFIG_DUMP_USERS",
          text("access.static.viewConfigDump.users", "Users who may see the configuration of proxies.")),
    named("KUMA_ACCESS_STATIC_GET_CONFIG_DUMP_GROUPS", text("access.static.viewConfigDump.groups", "Groups that may.")),
    text("access.static.viewStats.users", "Users who may see the statistics of proxies."),
    text("access.static.viewStats.groups", "Groups that may."),
    text("access.static.viewClusters.users", "Users who may see the clusters of proxies."),
    text("access.static.viewClusters.groups", "Groups that may."),
    text("access.static.controlPlaneMetadata.users", "Users who may see the settings of the control plane."),
    text("access.static.controlPlaneMetadata.groups", "Groups that may."),
    // ---- addresses and services
    text("ipam.meshService.cidr", "Range of addresses of MeshServices."),
    text("ipam.meshExternalService.cidr", "Range of addresses of MeshExternalServices."),
    text("ipam.meshMultiZoneService.cidr", "Range of addresses of MeshMultiZoneServices."),
    text("ipam.quarantine",
         "An address whose service is gone is given to no other for so long: someone may still have it cached."),
    named("KUMA_IPAM_KNOWN_INTERNAL_CIDRS", text("ipam.knownInternalCIDRs", "Ranges that count as inside.")),
    text("meshService.generationInterval", "How often MeshServices are made anew: at once."),
    text("meshService.deletionGracePeriod", "A MeshService without dataplanes is deleted after this time."),
    text("experimental.autoReachableServices",
         "Sidecars that bind their outbounds listen only for what a MeshTrafficPermission lets them call. Without any, "
         "for nothing."),
    // ---- liveness
    text("liveness.bothGone", "Withdraw a proxy when its sidecar manager and its Envoy have been gone for so long."),
    text("liveness.oneGone", "Withdraw a proxy when only one of the two has been gone for so long."),
    text("liveness.restart",
         "After a start of the control plane, proxies that have not come back yet are kept for so long."),
    text("liveness.floorWindow",
         "Within this time at most half of a service's proxies are withdrawn without a goodbye."),
    text("liveness.unprobed",
         "A proxy that nobody probes counts as ready this long after it acknowledged its configuration."),
    // ---- AWS
    named("KMESH_AWSIAM_AUTHORIZEDACCOUNTIDS",
          text("kmesh.awsIAM.authorizedAccountIDs", "AWS accounts whose roles may run proxies.")),
    text("kmesh.awsIAM.rolesToAssumeForAccounts",
         "Further such accounts, and the name of the role in each that is assumed to read the tags of its roles."),
    named("KMESH_AWSIAM_AUDIENCES",
          text("kmesh.awsIAM.audiences",
               "Names by which sidecars may know this control plane, beside those in its certificate.")),
    named("KMESH_AWSIAM_CACHETIME",
          text("kmesh.awsIAM.cacheTime", "A role that lost its tags loses its proxies within this time.")),
    text("kmesh.runtime.aws.route53.enabled", "Publish the names of services in Route 53."),
    text("kmesh.runtime.aws.route53.hostedZoneId", "Hosted zone for names by kuma.io/service."),
    text("kmesh.runtime.aws.route53.refreshInterval",
         "Pause between attempts when retries did not help. Changes are published at once."),
    text("kmesh.runtime.aws.route53.retryBaseBackoff", "First pause before a refused request is tried again."),
    number("kmesh.runtime.aws.route53.retryMaxTimes", 0, 100, "How often it is tried again."),
    number("kmesh.runtime.aws.route53.retryJitterPercent", 0, 100, "Spread of the pauses."),
    text("kmesh.runtime.aws.route53.recordTtl", "How long resolvers may keep a record."),
    text("kmesh.runtime.aws.route53.driftScanInterval",
         "How often the zones are read again to find records that somebody else changed. 0s: never."),
};

// Known, kept and shown, because clients and installations have them; this list gets shorter.
constexpr std::array<std::string_view, 30> kWithoutEffect = {
    "general.dnsCacheTTL",
    "general.tlsMinVersion",
    "general.tlsMaxVersion",
    "general.tlsCipherSuites",
    "store.postgres.healthCheckInterval",
    "store.postgres.readReplica.",
    "store.upsert.",
    "bootstrapServer.params.readinessPort",
    "bootstrapServer.params.xdsGrpcMaxReceiveMessageBytes",
    "xdsServer.nackBackoff",
    "apiServer.https.tlsMaxVersion",
    "apiServer.basePath",
    "apiServer.rootUrl",
    "apiServer.gui.",
    "apiServer.readHeaderTimeout",
    "apiServer.readTimeout",
    "apiServer.writeTimeout",
    "runtime.universal.zoneResourceCleanupAge",
    "defaults.skipTenantResources",
    "defaults.enableLocalhostInboundClusters",
    "metrics.dataplane.idleTimeout",
    "metrics.zone.",
    "metrics.controlPlane.",
    "diagnostics.debugEndpoints",
    "diagnostics.tlsMaxVersion",
    "dpServer.tlsMaxVersion",
    "dpServer.readHeaderTimeout",
    "dpServer.hds.refreshInterval",
    "ipam.knownInternalCIDRs",
    "meshService.generationInterval",
};

}  // namespace

std::span<const SettingRule> control_plane_rules() { return kRules; }
std::span<const std::string_view> control_plane_settings_without_effect() { return kWithoutEffect; }

}  // namespace mesh
