#include "cli/command_line.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/encoding.h"
#include "base/files.h"
#include "cli/fake_control_plane.h"

namespace mesh::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
namespace fs = std::filesystem;

constexpr const char* kResources = R"({"resources": [
  {"name": "Dataplane", "path": "dataplanes", "shortName": "dp", "scope": "Mesh", "readOnly": false},
  {"name": "GlobalSecret", "path": "globalsecrets", "shortName": "", "scope": "Global", "readOnly": false},
  {"name": "HealthCheck", "path": "health-checks", "shortName": "", "scope": "Mesh", "readOnly": false},
  {"name": "Mesh", "path": "meshes", "shortName": "m", "scope": "Global", "readOnly": false},
  {"name": "MeshInsight", "path": "mesh-insights", "shortName": "", "scope": "Global", "readOnly": true},
  {"name": "MeshRetry", "path": "meshretries", "shortName": "mr", "scope": "Mesh", "readOnly": false}]})";

constexpr const char* kProblem = R"({"type": "/std-errors", "status": 400, "title": "Could not process a resource",
  "detail": "Resource is not valid", "invalid_parameters": [
    {"field": "networking.address", "reason": "is empty"}, {"field": "networking.inbound[0].port", "reason": "is 0"}]})";

class CommandLine : public testing::Test {
 protected:
  CommandLine() : folder_(fs::temp_directory_path() / fs::path("cli-test-" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    server.answer("GET /_resources", 200, kResources);
    server.answer("GET /", 200, R"({"product": "Kuma", "version": "2.14.3"})");
    run({"config", "control-planes", "add", "--name", "test", "--address", server.url()});
  }
  ~CommandLine() override { fs::remove_all(folder_); }

  int run(std::vector<std::string> arguments, const std::string& input = {}) {
    out.str("");
    err.str("");
    std::istringstream in(input);
    ManualClock clock(*parse_time("2026-11-24T10:12:00Z"));
    Terminal terminal{in, out, err, folder_, clock};
    return mesh::cli::run(std::move(arguments), terminal);
  }
  std::string write(const std::string& name, const std::string& content) {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << content;
    return path.string();
  }
  std::string read(const std::string& name) { return read_file(folder_ / name).value_or("(no file)"); }

  FakeControlPlane server;
  std::ostringstream out, err;
  const fs::path folder_;
};

constexpr const char* kMesh = "type: Mesh\nname: prod\n";

TEST_F(CommandLine, AppliesEveryDocumentInItsOrder) {
  server.answer("PUT /meshes/prod", 201, "{}");
  server.answer("PUT /meshes/prod/dataplanes/web-1", 200, R"({"warnings": ["`from` is deprecated"]})");
  const std::string file =
      write("a.yaml",
            std::string(kMesh) + "---\ntype: Dataplane\nmesh: prod\nname: web-1\nnetworking: {address: 10.0.0.1}\n");
  EXPECT_EQ(run({"apply", "-f", file}), 0) << err.str();
  EXPECT_EQ(out.str(),
            "resource type=\"Mesh\" mesh=\"\" name=\"prod\" Created\n"
            "resource type=\"Dataplane\" mesh=\"prod\" name=\"web-1\" Updated\n");
  EXPECT_EQ(err.str(), "Warning: `from` is deprecated\n");
  EXPECT_EQ(server.body_of("PUT /meshes/prod"), R"({"type":"Mesh","name":"prod"})");
  EXPECT_EQ(server.header_of("PUT /meshes/prod", "content-type"), "application/json");
}

TEST_F(CommandLine, AppliesStandardInputWithVariables) {
  server.answer("PUT /meshes/blue", 201, "{}");
  EXPECT_EQ(run({"apply", "-f", "-", "-v", "name=blue", "--var", "team=a,b"},
                "type: Mesh\nname: {{ name }}\nlabels: {t: \"{{team}}\"}\n"),
            0)
      << err.str();
  EXPECT_THAT(server.body_of("PUT /meshes/blue"), HasSubstr(R"("t":"a,b")"));
}

TEST_F(CommandLine, LeavesBracesAloneWithoutVariables) {
  server.answer("PUT /meshes/x", 201, "{}");
  EXPECT_EQ(run({"apply", "-f", "-"}, "type: Mesh\nname: x\nlabels: {t: '{{ .DisplayName }}'}\n"), 0) << err.str();
  EXPECT_THAT(server.body_of("PUT /meshes/x"), HasSubstr("{{ .DisplayName }}"));
}

TEST_F(CommandLine, AppliesTheFilesOfAFolderByName) {
  for (const char* name : {"one", "two", "three"}) server.answer(std::string("PUT /meshes/") + name, 201, "{}");
  write("f/b.yml", "type: Mesh\nname: two\n");
  write("f/a.yaml", "type: Mesh\nname: one\n");
  write("f/c.JSON", R"({"type": "Mesh", "name": "three"})");
  write("f/notes.txt", "not a resource");
  EXPECT_EQ(run({"apply", "--file", (folder_ / "f").string()}), 0) << err.str();
  EXPECT_THAT(out.str(), testing::ContainsRegex("one(.|\n)*two(.|\n)*three"));
}

TEST_F(CommandLine, AppliesWhatAUrlGives) {
  server.answer("GET /files/mesh.yaml", 200, kMesh);
  server.answer("PUT /meshes/prod", 201, "{}");
  EXPECT_EQ(run({"apply", "-f", server.url() + "/files/mesh.yaml"}), 0) << err.str();
  EXPECT_EQ(run({"apply", "-f", server.url() + "/nope.yaml"}), 1);
  EXPECT_THAT(err.str(), HasSubstr("answered 404"));
}

TEST_F(CommandLine, PrintsInsteadOfApplyingOnADryRun) {
  EXPECT_EQ(
      run({"apply", "-f", "-", "--dry-run", "-v", "n=prod"}, "type: Mesh\nname: {{ n }}\n---\nname: b\ntype: Mesh\n"),
      0);
  EXPECT_EQ(out.str(), "name: prod\ntype: Mesh\n---\nname: b\ntype: Mesh\n");
}

TEST_F(CommandLine, SendsNothingWhenOneDocumentCannotBeSent) {
  EXPECT_EQ(run({"apply", "-f", "-"},
                "type: Mesh\nname: a\n---\ntype: Nope\nname: b\n---\ntype: Dataplane\nname: c\n---\n- 1\n"),
            1);
  EXPECT_THAT(err.str(),
              HasSubstr("resource[1]: failed to parse resource: type: is \"Nope\"; this control plane has Dataplane"));
  EXPECT_THAT(err.str(), HasSubstr("resource[2]: failed to parse resource: mesh: cannot be empty"));
  EXPECT_THAT(err.str(), HasSubstr("resource[3]: failed to parse resource: a resource must be a mapping"));
  EXPECT_THAT(err.str(), HasSubstr("Error: failed to validate some resources\n"));
  EXPECT_THAT(server.requests(), Not(testing::Contains("PUT /meshes/a")));
}

TEST_F(CommandLine, ShowsAllThatTheServerDoesNotLike) {
  server.answer("PUT /meshes/prod", 400, kProblem);
  EXPECT_EQ(run({"apply", "-f", "-"}, kMesh), 1);
  EXPECT_EQ(err.str(),
            "Error: resource type=\"Mesh\" mesh=\"\" name=\"prod\": failed server side: Could not process a resource "
            "(Resource is not valid)\n"
            "* networking.address: is empty\n* networking.inbound[0].port: is 0\n");
}

TEST_F(CommandLine, NamesWhatIsWrongWithAFile) {
  EXPECT_EQ(run({"apply", "-f", (folder_ / "nope.yaml").string()}), 1);
  EXPECT_THAT(err.str(), HasSubstr("nope.yaml"));
  EXPECT_EQ(run({"apply", "-f", write("bad.yaml", "type: Mesh\nname: [\n")}), 1);
  EXPECT_THAT(err.str(), HasSubstr("bad.yaml"));
  EXPECT_EQ(run({"apply", "-f", "-", "-v", "a=b"}, "type: Mesh\nname: {{ nope }}\n"), 1);
  EXPECT_THAT(err.str(), HasSubstr("nope"));
  EXPECT_EQ(run({"apply", "-f", "-"}, ""), 1);
  EXPECT_EQ(run({"apply"}), 1);
  EXPECT_EQ(run({"apply", "-f", "-", "-v", "novalue"}, kMesh), 1);
}

TEST_F(CommandLine, ListsResourcesAsATable) {
  server.answer("GET /meshes?size=100", 200, R"({"total": 2, "items": [
    {"type": "Mesh", "name": "default", "modificationTime": "2026-11-24T10:05:26Z"},
    {"type": "Mesh", "name": "prod", "modificationTime": "2026-11-20T10:05:26Z", "routing": {"zoneEgress": true},
     "mtls": {"enabledBackend": "ca-1", "backends": [{"name": "ca-1", "type": "builtin"}]}}], "next": null})");
  EXPECT_EQ(run({"get", "meshes"}), 0) << err.str();
  EXPECT_EQ(out.str(),
            "NAME      mTLS           LOCALITY   ZONEEGRESS   AGE\n"
            "default   off            off        off          6m\n"
            "prod      builtin/ca-1   off        on           4d\n");
}

TEST_F(CommandLine, ListsDataplanesWithTheirTags) {
  server.answer("GET /meshes/prod/dataplanes?size=1&offset=4", 200, R"({"total": 9, "items": [
    {"type": "Dataplane", "mesh": "prod", "name": "web-1", "modificationTime": "2026-11-24T10:11:55Z",
     "networking": {"address": "10.0.0.1", "inbound": [{"tags": {"kuma.io/service": "web"}}, {"tags": {"kuma.io/service": "api", "v": "1"}}]}}],
    "next": "http://cp/meshes/prod/dataplanes?offset=5&size=1"})");
  EXPECT_EQ(run({"get", "dp", "-m", "prod", "--size", "1", "--offset", "4"}), 0) << err.str();
  EXPECT_EQ(out.str(),
            "MESH   NAME    TAGS                          ADDRESS    AGE\n"
            "prod   web-1   kuma.io/service=api,web v=1   10.0.0.1   5s\n"
            "\nRerun command with --offset=5 argument to retrieve more resources\n");
}

TEST_F(CommandLine, ShowsOneResourceInEveryFormat) {
  server.answer(
      "GET /meshes/default/meshretries/r", 200,
      R"({"type": "MeshRetry", "mesh": "default", "name": "r", "modificationTime": "2026-11-24T09:12:00Z", "spec": {"to": []}})");
  EXPECT_EQ(run({"get", "meshretry", "r"}), 0);
  EXPECT_EQ(out.str(), "MESH      NAME   AGE\ndefault   r      1h\n");
  EXPECT_EQ(run({"get", "meshretry", "r", "-o", "yaml"}), 0);
  EXPECT_EQ(out.str(),
            "mesh: default\nmodificationTime: \"2026-11-24T09:12:00Z\"\nname: r\nspec:\n  to: []\ntype: MeshRetry\n");
  EXPECT_EQ(run({"get", "meshretry", "r", "-ojson"}), 0);
  EXPECT_THAT(out.str(), StartsWith("{\n  \"type\": \"MeshRetry\",\n"));
  EXPECT_EQ(run({"get", "meshretry", "r", "-o", "xml"}), 1);
  EXPECT_THAT(err.str(), HasSubstr("may be table, yaml or json"));
}

TEST_F(CommandLine, KnowsKindsByManySpellings) {
  server.answer("GET /meshes/default/health-checks/h", 200, R"({"mesh": "default", "name": "h"})");
  for (const char* spelling : {"healthcheck", "healthchecks", "health-check", "health-checks", "HealthCheck"}) {
    EXPECT_EQ(run({"get", spelling, "h"}), 0) << spelling << err.str();
  }
  server.answer("GET /globalsecrets/s", 200, R"({"name": "s"})");
  for (const char* spelling : {"global-secret", "globalsecrets", "global-secrets"})
    EXPECT_EQ(run({"get", spelling, "s"}), 0) << spelling;
  EXPECT_EQ(run({"get", "boat", "b"}), 1);
  EXPECT_THAT(err.str(), HasSubstr("unknown TYPE: boat. Allowed values: dataplanes, globalsecrets"));
}

TEST_F(CommandLine, SaysWhatIsNotThere) {
  server.answer("GET /meshes/nope", 404, R"({"title": "Could not retrieve a resource", "detail": "Not found"})");
  server.answer("DELETE /meshes/default/dataplanes/nope", 404,
                R"({"title": "Could not delete a resource", "detail": "Not found"})");
  EXPECT_EQ(run({"get", "mesh", "nope"}), 1);
  EXPECT_EQ(err.str(), "Error: No resources found\n");
  EXPECT_EQ(run({"delete", "dataplane", "nope"}), 1);
  EXPECT_EQ(err.str(), "Error: there is no Dataplane with name \"nope\"\n");
}

TEST_F(CommandLine, DeletesResources) {
  server.answer("DELETE /meshes/prod/dataplanes/a%2Fb", 200, "{}");
  EXPECT_EQ(run({"delete", "dataplane", "a/b", "--mesh", "prod"}), 0) << err.str();
  EXPECT_EQ(out.str(), "deleted Dataplane \"a/b\"\n");
  EXPECT_EQ(run({"delete", "mesh-insight", "x"}), 1);
  EXPECT_THAT(err.str(), HasSubstr("readOnly"));
}

TEST_F(CommandLine, InspectsDataplanesOverAllPages) {
  server.answer("GET /meshes/default/dataplanes/_overview?tag=kuma.io%2Fservice%3Aweb&size=1000&offset=0", 200,
                R"({"total": 2, "items": [
    {"mesh": "default", "name": "web-1",
     "dataplane": {"networking": {"inbound": [{"port": 80, "tags": {"kuma.io/service": "web"}}]}},
     "dataplaneInsight": {"subscriptions": [
       {"connectTime": "2026-11-24T09:00:00Z", "disconnectTime": "2026-11-24T10:00:00Z", "status": {"total": {"responsesSent": "2", "responsesRejected": "1"}}},
       {"connectTime": "2026-11-24T10:10:00Z", "status": {"lastUpdateTime": "2026-11-24T10:11:00Z", "total": {"responsesSent": "8"}},
        "version": {"kumaDp": {"version": "0.1.0"}, "envoy": {"version": "1.40.0"}}}],
      "mTLS": {"certificateExpirationTime": "2026-11-25T10:10:00Z", "lastCertificateRegeneration": "2026-11-24T10:10:00Z",
               "certificateRegenerations": 1, "issuedBackend": "ca-1", "supportedBackends": ["ca-1", "ca-2"]}}}],
    "next": "http://cp/x?offset=1"})");
  server.answer("GET /meshes/default/dataplanes/_overview?tag=kuma.io%2Fservice%3Aweb&size=1000&offset=1", 200,
                R"({"total": 2, "items": [
    {"mesh": "default", "name": "web-2",
     "dataplane": {"networking": {"inbound": [{"port": 80, "state": "NotReady", "tags": {"kuma.io/service": "web"}}]}}}], "next": null})");
  EXPECT_EQ(run({"inspect", "dataplanes", "--tag", "kuma.io/service=web"}), 0) << err.str();
  EXPECT_THAT(out.str(), HasSubstr("default   web-1   kuma.io/service=web   Online    2m                   1m          "
                                   "       10              1              2m"
                                   "                     2026-11-25 10:10:00   1                    ca-1           "
                                   "ca-1,ca-2                 0.1.0             1.40.0          -"));
  EXPECT_THAT(out.str(), HasSubstr("web-2   kuma.io/service=web   Offline   never                never              0  "
                                   "             0              never"));
  EXPECT_THAT(out.str(), HasSubstr("inbound[port=80,svc=web] is not ready"));
}

TEST_F(CommandLine, InspectsServicesMeshesAndZones) {
  server.answer("GET /meshes/prod/service-insights?size=1000&offset=0", 200, R"({"items": [
    {"name": "web", "status": "partially_degraded", "dataplanes": {"total": 2, "online": 1}}], "next": null})");
  EXPECT_EQ(run({"inspect", "services", "-m", "prod"}), 0);
  EXPECT_EQ(out.str(), "SERVICE   STATUS               DATAPLANES\nweb       Partially degraded   1/2\n");
  server.answer("GET /mesh-insights?size=1000&offset=0", 200,
                R"({"items": [{"name": "prod", "dataplanes": {"total": 2, "online": 1}}], "next": null})");
  EXPECT_EQ(run({"inspect", "meshes"}), 0);
  EXPECT_THAT(out.str(), HasSubstr("prod   1/2          0"));
  server.answer("GET /zones/_overview?size=1000&offset=0", 200,
                R"({"items": [{"name": "east", "zone": {}}], "next": null})");
  EXPECT_EQ(run({"inspect", "zones", "-o", "yaml"}), 0);
  EXPECT_EQ(out.str(), "items:\n- name: east\n  zone: {}\nnext: null\ntotal: 1\n");
}

TEST_F(CommandLine, InspectsOneDataplane) {
  server.answer("GET /meshes/default/dataplanes/web-1/_config?shadow=true&include=diff", 200, "{\"xds\": {}}\n");
  EXPECT_EQ(run({"inspect", "dataplane", "web-1", "--type", "config", "--shadow", "--include", "diff"}), 0)
      << err.str();
  EXPECT_EQ(out.str(), "{\"xds\": {}}\n");
  server.answer("GET /meshes/default/dataplanes/web-1/policies", 200,
                R"({"items": [{"type": "dataplane", "matchedPolicies": {"MeshRetry": [{"name": "r"}]}}]})");
  EXPECT_EQ(run({"inspect", "dataplane", "web-1"}), 0) << err.str();
  EXPECT_EQ(out.str(), "DATAPLANE:\n  MeshRetry\n    r\n\n");
  EXPECT_EQ(run({"inspect", "dataplane", "web-1", "--shadow"}), 1);
  EXPECT_EQ(run({"inspect", "dataplane", "web-1", "--type", "boat"}), 1);
}

TEST_F(CommandLine, KeepsControlPlanesInAFileThatTheStockCliReads) {
  EXPECT_EQ(run({"config", "control-planes", "add", "--name", "b", "--address", "https://cp:5682", "--skip-check",
                 "--auth-type", "tokens", "--auth-conf", "token=abc", "--headers", "x=1", "--skip-verify"}),
            0)
      << err.str();
  EXPECT_EQ(out.str(), "added Control Plane \"b\"\nswitched active Control Plane to \"b\"\n");
  EXPECT_EQ(read(".kumactl/config"),
            "contexts:\n- controlPlane: local\n  name: local\n- controlPlane: test\n  name: test\n- controlPlane: b\n  "
            "name: b\n"
            "controlPlanes:\n- coordinates:\n    apiServer:\n      url: http://localhost:5681\n  name: local\n"
            "- coordinates:\n    apiServer:\n      url: " +
                server.url() +
                "\n  name: test\n"
                "- coordinates:\n    apiServer:\n      authConf:\n        token: abc\n      authType: tokens\n      "
                "headers:\n      - key: x\n        value: \"1\"\n"
                "      skipVerify: true\n      url: https://cp:5682\n  name: b\ncurrentContext: b\n");
  EXPECT_EQ(fs::status(folder_ / ".kumactl" / "config").permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_EQ(run({"config", "control-planes", "add", "--name", "b", "--address", "http://cp", "--skip-check"}), 1);
  EXPECT_THAT(err.str(), HasSubstr("--overwrite"));
  EXPECT_EQ(run({"config", "control-planes", "switch", "--name", "local"}), 0);
  EXPECT_EQ(run({"config", "control-planes", "list"}), 0);
  EXPECT_THAT(out.str(), HasSubstr("*        local   http://localhost:5681\n"));
  EXPECT_EQ(run({"config", "control-planes", "remove", "--name", "local"}), 0);
  EXPECT_EQ(out.str(), "removed Control Plane \"local\"\nswitched active Control Plane to \"test\"\n");
  EXPECT_EQ(run({"config", "control-planes", "switch", "--name", "local"}), 1);
  EXPECT_EQ(err.str(), "Error: there is no Control Plane with name \"local\"\n");
}

TEST_F(CommandLine, ChecksAControlPlaneBeforeItIsKept) {
  EXPECT_EQ(run({"config", "control-planes", "add", "--name", "c", "--address", "http://127.0.0.1:1"}), 1);
  EXPECT_THAT(err.str(), HasSubstr("could not connect to the Control Plane API Server"));
  EXPECT_EQ(run({"config", "control-planes", "add", "--name", "c", "--address", "cp:5681"}), 1);
  EXPECT_EQ(run({"config", "control-planes", "add", "--name", "c", "--address", "http://cp", "--auth-type", "boat",
                 "--skip-check"}),
            1);
  EXPECT_EQ(run({"config", "control-planes", "add", "--name", "c", "--address", "http://cp", "--auth-type", "tokens",
                 "--skip-check"}),
            1);
  EXPECT_THAT(err.str(), HasSubstr("provide token=YOUR_TOKEN"));
  EXPECT_EQ(run({"config", "control-planes", "list"}), 0);
  EXPECT_THAT(out.str(), Not(HasSubstr("http://cp")));
}

TEST_F(CommandLine, SendsTheTokenAndHeadersOfTheContext) {
  server.answer("GET /meshes?size=100", 200, R"({"items": [], "next": null})");
  run({"config", "control-planes", "add", "--name", "t", "--address", server.url() + "/", "--auth-type", "tokens",
       "--auth-conf", "token=a.b=c", "--headers", "x-team=blue"});
  EXPECT_EQ(run({"--context", "t", "get", "meshes"}), 0) << err.str();
  EXPECT_EQ(server.header_of("GET /meshes?size=100", "authorization"), "Bearer a.b=c");
  EXPECT_EQ(server.header_of("GET /meshes?size=100", "x-team"), "blue");
  EXPECT_EQ(run({"get", "meshes", "--context", "nope"}), 1);
  EXPECT_THAT(err.str(), HasSubstr("there is no Control Plane with name \"nope\""));
}

TEST_F(CommandLine, AsksForTokens) {
  server.answer("POST /tokens/dataplane", 200, "dp-token");
  EXPECT_EQ(run({"generate", "dataplane-token", "--mesh", "prod", "--name", "web-1", "--tag", "kuma.io/service=web,api",
                 "--valid-for", "24h"}),
            0);
  EXPECT_EQ(out.str(), "dp-token");
  EXPECT_EQ(
      server.body_of("POST /tokens/dataplane"),
      R"({"name":"web-1","mesh":"prod","tags":{"kuma.io/service":["web","api"]},"type":"","workload":"","validFor":"24h0m0s"})");
  server.answer("POST /tokens/zone", 200, "zone-token");
  EXPECT_EQ(run({"generate", "zone-token", "--zone", "east", "--valid-for", "1h"}), 0);
  EXPECT_EQ(server.body_of("POST /tokens/zone"), R"({"zone":"east","scope":["ingress","egress"],"validFor":"1h0m0s"})");
  server.answer("POST /tokens/user", 403, R"({"title": "Access Denied", "detail": "not for you"})");
  EXPECT_EQ(run({"generate", "user-token", "--name", "ann", "--group", "a,b", "--group", "c", "--valid-for", "1h"}), 1);
  EXPECT_EQ(err.str(), "Error: failed to generate a user token: Access Denied (not for you)\n");
  EXPECT_EQ(server.body_of("POST /tokens/user"), R"({"name":"ann","groups":["a","b","c"],"validFor":"1h0m0s"})");
  EXPECT_EQ(run({"generate", "user-token", "--name", "ann"}), 1);
  EXPECT_THAT(err.str(), HasSubstr("--valid-for"));
  EXPECT_EQ(run({"generate", "user-token", "--name", "ann", "--valid-for", "soon"}), 1);
  EXPECT_EQ(run({"generate", "zone-token", "--zone", "z", "--valid-for", "1h", "--scope", "boat"}), 1);
}

TEST_F(CommandLine, SignsTokensWithoutAControlPlane) {
  ASSERT_EQ(run({"generate", "signing-key", "--format", "pem"}), 0);
  const std::string key = write("key.pem", out.str());
  EXPECT_EQ(
      run({"generate", "user-token", "--name", "ann", "--valid-for", "1h", "--signing-key-path", key, "--kid", "7"}), 0)
      << err.str();
  const std::string token = out.str();
  const auto header = base64url_decode(token.substr(0, token.find('.')));
  EXPECT_THAT(header.value_or(""), HasSubstr(R"("kid":"7")"));
  EXPECT_EQ(run({"generate", "dataplane-token", "--mesh", "prod", "--valid-for", "1h", "--signing-key-path", key,
                 "--kid", "7"}),
            0)
      << err.str();
  EXPECT_EQ(run({"generate", "zone-token", "--zone", "east", "--valid-for", "1h", "--signing-key-path", key}), 1);
  EXPECT_EQ(err.str(), "Error: --kid is required when --signing-key-path is used\n");
  EXPECT_EQ(run({"generate", "public-key", "--signing-key-path", key}), 0);
  EXPECT_THAT(out.str(), StartsWith("-----BEGIN"));
  EXPECT_THAT(out.str(), HasSubstr("PUBLIC KEY"));
  EXPECT_EQ(run({"generate", "signing-key"}), 0);
  EXPECT_THAT(base64_decode(out.str()).value_or(""), StartsWith("-----BEGIN"));
}

TEST_F(CommandLine, MakesCertificates) {
  const std::string key = (folder_ / "k.pem").string(), certificate = (folder_ / "c.pem").string();
  EXPECT_EQ(run({"generate", "tls-certificate", "--type", "server", "--hostname", "cp,localhost", "--hostname",
                 "127.0.0.1", "--key-file", key, "--cert-file", certificate}),
            0)
      << err.str();
  EXPECT_EQ(out.str(), "Private key saved in " + key + "\nCertificate saved in " + certificate + "\n");
  EXPECT_THAT(read("k.pem"), HasSubstr("PRIVATE KEY"));
  EXPECT_THAT(read("c.pem"), StartsWith("-----BEGIN CERTIFICATE"));
  EXPECT_EQ(fs::status(key).permissions(), fs::perms::owner_read);
  EXPECT_EQ(run({"generate", "tls-certificate", "--type", "client", "--hostname", "me", "--key-file", "-",
                 "--cert-file", "-"}),
            0);
  EXPECT_THAT(out.str(), HasSubstr("BEGIN CERTIFICATE"));
  EXPECT_EQ(run({"generate", "tls-certificate", "--type", "boat", "--hostname", "me"}), 1);
  EXPECT_EQ(run({"generate", "tls-certificate", "--type", "server"}), 1);
}

TEST_F(CommandLine, ShowsVersions) {
  EXPECT_EQ(run({"version"}), 0);
  EXPECT_THAT(out.str(), HasSubstr("Server: Kuma 2.14.3\n"));
  EXPECT_EQ(run({"version", "-a"}), 0);
  EXPECT_THAT(out.str(), HasSubstr("\"version\": \"2.14.3\""));
}

TEST_F(CommandLine, CompletesInThreeShells) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_EQ(run({"completion", shell}), 0);
    EXPECT_THAT(out.str(), HasSubstr("control-planes")) << shell;
    EXPECT_THAT(out.str(), HasSubstr("skip-verify")) << shell;
  }
  EXPECT_EQ(run({"completion", "tcsh"}), 1);
}

TEST_F(CommandLine, ExplainsItself) {
  EXPECT_EQ(run({"--help"}), 0);
  EXPECT_THAT(out.str(), HasSubstr("inspect"));
  EXPECT_EQ(run({"boat"}), 1);
  EXPECT_THAT(err.str(), StartsWith("Error: "));
  EXPECT_EQ(run({}), 1);
}

TEST_F(CommandLine, SurvivesServersThatTalkNonsense) {
  server.answer("GET /_resources", 200, "not json");
  EXPECT_EQ(run({"get", "meshes"}), 1);
  server.answer("GET /_resources", 200, R"({"resources": [1, {}, {"name": 5, "scope": []}]})");
  EXPECT_EQ(run({"get", "meshes"}), 1);
  server.answer("GET /_resources", 500, std::string(100'000, 'x'));
  EXPECT_EQ(run({"get", "meshes"}), 1);
  EXPECT_LT(err.str().size(), 2000u);
  server.answer("GET /_resources", 200, kResources);
  server.answer("GET /meshes?size=100", 200, R"({"items": [null, 1, {"name": {}}, {"mtls": []}]})");
  EXPECT_EQ(run({"get", "meshes"}), 0);
  server.answer("GET /meshes/default/dataplanes/_overview?size=1000&offset=0", 200,
                R"({"items": [{"dataplane": 1, "dataplaneInsight": {"subscriptions": [1]}}], "next": 3})");
  EXPECT_EQ(run({"inspect", "dataplanes"}), 0);
}

}  // namespace
}  // namespace mesh::cli
