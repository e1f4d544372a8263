#include "pipeline/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/builtin.h"
#include "model/secret.h"
#include "store/memory/memory_store.h"
#include "store/secrets.h"

namespace mesh {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr const char* kBindsOutbounds = R"({"features": ["feature-bind-outbounds"]})";
const Kind kTimeout{.name = "MeshTimeout", .path = "meshtimeouts", .is_policy = true};

NamedResources resources(std::vector<std::pair<std::string, std::string>> names_and_content) {
  auto out = std::make_shared<NamedResourceList>();
  for (auto& [name, content] : names_and_content) out->push_back(make_named(name, content, make_bytes(content)));
  return out;
}

std::string endpoints_text(const MeshSnapshot& mesh, const std::string& service) {
  std::string out;
  if (const ServiceView* view = mesh.find_service(service))
    for (const Endpoint& endpoint : view->endpoints) out += endpoint.dataplane + " ";
  return out;
}

// A builder whose configurations are short: one endpoint resource per service that is called, and in the one listener
// the address and the timeouts that there are.
BuildsConfig plain_builder(bool& was_built_before) {
  BuildsConfig out;
  const auto endpoints = [](const MeshSnapshot& mesh, const std::string& name) {
    std::vector<std::pair<std::string, std::string>> list;
    for (const Outbound& outbound : mesh.dataplanes.at(name)->spec_as<Dataplane>().networking.outbound)
      list.emplace_back(outbound.service(), endpoints_text(mesh, outbound.service()));
    return resources(std::move(list));
  };
  out.build = [=, &was_built_before](const MeshSnapshot& mesh, const std::string& name, const ProxyTraits&,
                                     std::vector<std::string>*, const ProxyConfig* before) {
    was_built_before = before != nullptr;
    auto config = std::make_shared<ProxyConfig>();
    const Dataplane& spec = mesh.dataplanes.at(name)->spec_as<Dataplane>();
    std::string listener = spec.networking.address;
    for (const SharedResource& policy : mesh.policies_of(kTimeout)) listener += " " + policy->key.name;
    config->clusters = resources({});
    config->listeners = resources({{"inbound", listener}});
    config->routes = resources({});
    config->endpoints = endpoints(mesh, name);
    if (mesh.spec().enabled_ca() != nullptr)
      config->secrets = {{SecretRef::What::Identity, "identity"}, {SecretRef::What::MeshCa, "ca"}};
    return config;
  };
  out.rebuild = [=](const ProxyConfig& before, const MeshSnapshot& mesh, const std::string& name, const ProxyTraits&,
                    const Touched&, std::vector<std::string>*) {
    auto config = std::make_shared<ProxyConfig>(before);
    config->endpoints = endpoints(mesh, name);
    return config;
  };
  return out;
}

// A control plane without sockets: streams are numbers, and what they are offered is noted.
class PipelineTest : public testing::Test {
 protected:
  PipelineTest() { start(); }

  void start() {
    pipeline.reset();
    insights.reset();
    insights = std::make_unique<InsightWriter>(InsightWriterSettings{}, store, clock);
    cleanup = std::make_unique<DataplaneCleanup>(
        OfflineSettings{}, store,
        [this](const std::vector<ResourceKey>& keys) -> Status {
          std::vector<Write> gone;
          for (const ResourceKey& key : keys) gone.push_back({Write::Op::Delete, Resource{.key = key}, {}, {}});
          MESH_RETURN_IF_ERROR(store.write(std::move(gone)));
          return {};
        },
        clock);
    // The policy named "x" selects proxies whose names start with "x".
    pipeline = std::make_unique<Pipeline>(PipelineSettings{},
                                          PipelineNeeds{store, secrets, plain_builder(was_built_before),
                                                        [](const Resource& policy, const Resource& dataplane) {
                                                          return dataplane.key.name.starts_with(policy.key.name);
                                                        },
                                                        *insights, *cleanup, clock});
    pipeline->connect({[this](StreamId stream, Offer offer) {
                         offered.insert(stream);
                         latest[stream] = std::move(offer);
                       },
                       nullptr});
    offered.clear();
    ASSERT_TRUE(pipeline->load());
  }

  void write(const Kind& kind, const std::string& name, AnySpec spec, const std::string& mesh = "m") {
    Write put;
    put.resource.key = {&kind, mesh, name};
    put.resource.spec = std::move(spec);
    const Result<Revision> written = store.write({std::move(put)});
    ASSERT_TRUE(written) << written.error().message();
  }
  void write_mesh(Mesh mesh = {}) { write(kMeshKind, "m", AnySpec::of(std::move(mesh)), ""); }
  void write_dataplane(const std::string& name, const std::string& offers, const std::vector<std::string>& calls = {},
                       const std::string& address = "10.0.0.1") {
    Dataplane spec;
    spec.networking.address = address;
    Inbound inbound;
    inbound.port = 8080;
    inbound.tags = {{kServiceTag, offers}};
    spec.networking.inbound.push_back(std::move(inbound));
    for (const std::string& service : calls) {
      Outbound outbound;
      outbound.tags = {{kServiceTag, service}};
      spec.networking.outbound.push_back(std::move(outbound));
    }
    write(kDataplaneKind, name, AnySpec::of(std::move(spec)));
  }
  void remove(const Kind& kind, const std::string& name, const std::string& mesh = "m") {
    ASSERT_TRUE(store.write({{Write::Op::Delete, Resource{.key = {&kind, mesh, name}}, {}, {}}}));
  }

  StreamId connect(const std::string& name, const std::string& metadata = "{}") {
    StreamInfo info;
    info.stream = ++last_stream;
    info.node.id = {"m", name};
    info.node.metadata_json = metadata;
    pipeline->ads_sink().on_connected(info);
    step();
    return last_stream;
  }
  void holds(StreamId stream) {  // everything it was offered
    for (const XdsType type : kXdsTypes) pipeline->ads_sink().on_holds(stream, type, latest[stream].number);
    step();
  }
  // Connected, acknowledged, probed by its manager.
  StreamId up(const std::string& name) {
    pipeline->liveness_sink().on_reporter_connected({"m", name}, 1000, LivenessSource::Manager);
    const StreamId stream = connect(name);
    holds(stream);
    pipeline->liveness_sink().on_readiness({"m", name}, 1000, {LivenessSource::Manager, true, {}, ""});
    step();
    return stream;
  }
  std::optional<SteadyTime> step() {
    const auto next = pipeline->step();
    insights->step();
    return next;
  }
  std::set<StreamId> take_offered() { return std::exchange(offered, {}); }
  std::string content(StreamId stream, XdsType type, const std::string& name) {
    for (const NamedResourcePtr& resource : *latest[stream].resources[type])
      if (resource->name == name) return *resource->body;
    return "(none)";
  }

  KindRegistry kinds;
  ManualClock clock{SystemTime(std::chrono::seconds(1'800'000'000))};
  MemoryStore store;
  StoreSecrets secrets{store};
  std::unique_ptr<InsightWriter> insights;
  std::unique_ptr<DataplaneCleanup> cleanup;
  std::unique_ptr<Pipeline> pipeline;
  StreamId last_stream = 0;
  std::set<StreamId> offered;
  std::map<StreamId, Offer> latest;
  bool was_built_before = false;  // the last build of all had what was built for the proxy before
};

TEST_F(PipelineTest, AProxyThatConnectsIsOfferedItsConfigurationAtOnce) {
  write_mesh();
  write_dataplane("web-1", "web");
  const StreamId web = connect("web-1");
  EXPECT_THAT(take_offered(), ElementsAre(web));
  EXPECT_EQ(content(web, XdsType::Listener, "inbound"), "10.0.0.1");
}

TEST_F(PipelineTest, WhatAProxyHadIsTheStartForWhatItGetsUnlessItSaysSomethingElseOfItself) {
  write_mesh();
  write_dataplane("web-1", "web");
  connect("web-1");
  EXPECT_FALSE(was_built_before);
  connect("web-1");
  EXPECT_TRUE(was_built_before);
  const std::string other = R"({"features":["feature-reuse-port"]})";
  connect("web-1", other);
  EXPECT_FALSE(was_built_before);
  connect("web-1", other);
  EXPECT_TRUE(was_built_before);
}

TEST_F(PipelineTest, AnEndpointThatJoinsConcernsExactlyTheCallers) {
  write_mesh();
  write_dataplane("kv-1", "kv");
  for (const char* name : {"a", "b", "c"}) write_dataplane(name, name, {"kv"});
  for (const char* name : {"x", "y"}) write_dataplane(name, name, {"other"});
  const StreamId a = connect("a"), b = connect("b"), c = connect("c");
  connect("x");
  connect("y");
  take_offered();
  const auto before = pipeline->counters();

  const StreamId kv = up("kv-1");

  EXPECT_THAT(take_offered(), UnorderedElementsAre(a, b, c, kv));
  EXPECT_EQ(content(a, XdsType::Endpoint, "kv"), "kv-1 ");
  EXPECT_EQ(pipeline->counters().builds.partial_builds - before.builds.partial_builds, 3U);
  EXPECT_EQ(pipeline->counters().builds.full_builds - before.builds.full_builds, 1U);  // its own
}

TEST_F(PipelineTest, APolicyConcernsTheProxiesThatItSelects) {
  write_mesh();
  std::vector<StreamId> streams;
  for (const char* name : {"x1", "x2", "x3", "y1", "y2"}) {
    write_dataplane(name, name);
    streams.push_back(connect(name));
  }
  take_offered();
  const auto before = pipeline->counters();
  write(kTimeout, "x", AnySpec::of(std::string("1s")));
  step();
  EXPECT_THAT(take_offered(), UnorderedElementsAre(streams[0], streams[1], streams[2]));
  EXPECT_EQ(pipeline->counters().builds.full_builds - before.builds.full_builds, 3U);
}

TEST_F(PipelineTest, AWriteThatChangesNothingForAProxyIsNotOffered) {
  write_mesh();
  write_dataplane("web-1", "web");
  connect("web-1");
  take_offered();
  write_dataplane("web-1", "web");
  step();
  EXPECT_THAT(take_offered(), IsEmpty());
  EXPECT_EQ(pipeline->counters().builds.unchanged, 1U);
}

TEST_F(PipelineTest, ABurstOfWritesIsOneBuild) {
  write_mesh();
  write_dataplane("web-1", "web");
  connect("web-1");
  const auto before = pipeline->counters();
  for (int i = 0; i < 100; ++i) write_dataplane("web-1", "web", {}, "10.0.1." + std::to_string(i));
  step();
  EXPECT_EQ(pipeline->counters().builds.full_builds - before.builds.full_builds, 1U);
}

TEST_F(PipelineTest, AProxyThatComesBackIsOfferedTheSameBytes) {
  write_mesh();
  write_dataplane("web-1", "web");
  const StreamId first = connect("web-1");
  Offer before = latest[first];
  pipeline->ads_sink().on_disconnected(first);
  step();
  const StreamId second = connect("web-1");
  EXPECT_EQ(latest[second].resources[XdsType::Listener], before.resources[XdsType::Listener]);
  EXPECT_EQ(latest[second].number, before.number);
}

TEST_F(PipelineTest, AGoodbyeIsConfirmedWhenTheCallersKnow) {
  write_mesh();
  write_dataplane("kv-1", "kv");
  write_dataplane("web-1", "web", {"kv"});
  const StreamId web = up("web-1");
  up("kv-1");
  holds(web);
  ASSERT_EQ(content(web, XdsType::Endpoint, "kv"), "kv-1 ");

  bool confirmed = false;
  pipeline->liveness_sink().on_leaving({"m", "kv-1"}, 1000, [&] { confirmed = true; });
  step();
  EXPECT_EQ(content(web, XdsType::Endpoint, "kv"), "");
  EXPECT_FALSE(confirmed);
  holds(web);
  EXPECT_TRUE(confirmed);
}

TEST_F(PipelineTest, AGoodbyeDoesNotWaitForeverForACallerThatDoesNotAnswer) {
  write_mesh();
  write_dataplane("kv-1", "kv");
  write_dataplane("web-1", "web", {"kv"});
  up("web-1");
  up("kv-1");
  bool confirmed = false;
  pipeline->liveness_sink().on_leaving({"m", "kv-1"}, 1000, [&] { confirmed = true; });
  step();
  clock.advance(2s);
  step();
  EXPECT_TRUE(confirmed);
}

TEST_F(PipelineTest, ANameWaitsForThoseWhoBindTheirOutboundsAndForNobodyElse) {
  write_mesh();
  write_dataplane("web-1", "web");
  write_dataplane("app-1", "app");
  const StreamId web = connect("web-1", kBindsOutbounds);
  connect("app-1");  // holds nothing, and need not
  holds(web);
  write_dataplane("web-1", "web", {}, "10.0.0.9");  // another listener
  bool done = false;
  step();
  pipeline->when_listeners_are_out("m", pipeline->snapshot()->upto, 1min, [&] { done = true; });
  step();
  EXPECT_FALSE(done);
  holds(web);
  EXPECT_TRUE(done);
}

TEST_F(PipelineTest, AProxyThatIsDeadButNotGoneHoldsUpNoNameForLong) {
  write_mesh();
  write_dataplane("web-1", "web");
  connect("web-1", kBindsOutbounds);  // and says nothing more
  bool done = false;
  pipeline->when_listeners_are_out("m", pipeline->snapshot()->upto, 1s, [&] { done = true; });
  step();
  clock.advance(999ms);
  step();
  EXPECT_FALSE(done);
  clock.advance(1ms);
  step();
  EXPECT_TRUE(done);
}

TEST_F(PipelineTest, ARestartedControlPlaneStartsWithTheEndpointsItHad) {
  write_mesh();
  write_dataplane("kv-1", "kv");
  write_dataplane("web-1", "web", {"kv"});
  up("web-1");
  up("kv-1");
  clock.advance(1s);
  step();

  start();
  EXPECT_EQ(endpoints_text(*pipeline->snapshot()->find("m"), "kv"), "kv-1 ");
  const StreamId web = connect("web-1");
  EXPECT_EQ(content(web, XdsType::Endpoint, "kv"), "kv-1 ");
}

TEST_F(PipelineTest, ARefusalShowsInTheInsightAndTheProxyStaysConnected) {
  write_mesh();
  write_dataplane("web-1", "web");
  const StreamId web = connect("web-1");
  pipeline->ads_sink().on_refused(web, XdsType::Listener, "v1", "unknown cipher suite");
  clock.advance(1s);
  step();
  const Result<Resource> row = store.get({&kDataplaneInsightKind, "m", "web-1"});
  ASSERT_TRUE(row);
  const DataplaneInsight& insight = row->spec_as<DataplaneInsight>();
  EXPECT_TRUE(insight.is_online());
  EXPECT_EQ(insight.subscriptions[0].status.last_rejection->reason, "unknown cipher suite");
}

// ---- certificates

class CertificatesTest : public PipelineTest {
 protected:
  void make_ca(const std::string& backend) {
    CaBackend ca;
    ca.name = backend;
    ca.type = "builtin";
    const Result<KeyPair> root = make_builtin_root("m", ca, clock);
    ASSERT_TRUE(root) << root.error().message();
    put_secret(builtin_certificate_secret("m", backend), Secret(root->certificate_pem));
    put_secret(builtin_key_secret("m", backend), root->key_pem);
    roots[backend] = root->certificate_pem;
  }
  void put_secret(const std::string& name, const Secret& value) {
    ASSERT_TRUE(store.write({{Write::Op::Put, secret_resource("m", name, value), {}, {}}}));
  }
  void enable(const std::string& backend) {
    Mesh mesh;
    mesh.mtls.emplace();
    mesh.mtls->enabled_backend = backend;
    for (const auto& [name, root] : roots) {
      CaBackend ca;
      ca.name = name;
      ca.type = "builtin";
      mesh.mtls->backends.push_back(std::move(ca));
    }
    write_mesh(std::move(mesh));
    step();
  }
  // "ca-1 ca-2": whose roots this proxy trusts.
  std::string trusted(StreamId stream) {
    std::string out;
    for (const auto& [name, root] : roots)
      if (content(stream, XdsType::Secret, "ca").contains(root.substr(28, 400))) out += (out.empty() ? "" : " ") + name;
    return out;
  }
  std::string identity(StreamId stream) { return content(stream, XdsType::Secret, "identity"); }

  std::map<std::string, std::string> roots;
};

TEST_F(CertificatesTest, ACertificateIsMadeOnceAndKeptOverReconnects) {
  write_mesh();
  make_ca("ca-1");
  enable("ca-1");
  write_dataplane("web-1", "web");
  const StreamId first = connect("web-1");
  const std::string before = identity(first);
  EXPECT_NE(before, "(none)");
  pipeline->ads_sink().on_disconnected(first);
  EXPECT_EQ(identity(connect("web-1")), before);
  EXPECT_EQ(pipeline->counters().certificates, 1U);
}

TEST_F(CertificatesTest, ItIsRenewedBeforeItExpires) {
  write_mesh();
  make_ca("ca-1");
  enable("ca-1");
  write_dataplane("web-1", "web");
  const StreamId web = connect("web-1");
  const std::string before = identity(web);
  const auto next = step();
  ASSERT_TRUE(next);
  EXPECT_GT(*next - clock.steady(), 18h);
  EXPECT_LE(*next - clock.steady(), 24h * 4 / 5);
  take_offered();
  clock.advance(*next - clock.steady());
  step();
  EXPECT_THAT(take_offered(), ElementsAre(web));
  EXPECT_NE(identity(web), before);
}

TEST_F(CertificatesTest, AnotherServiceNeedsAnotherCertificate) {
  write_mesh();
  make_ca("ca-1");
  enable("ca-1");
  write_dataplane("web-1", "web");
  const StreamId web = connect("web-1");
  const std::string before = identity(web);
  write_dataplane("web-1", "shop");
  step();
  EXPECT_NE(identity(web), before);
}

TEST_F(CertificatesTest, ANewCaIsTrustedByAllBeforeAnybodyShowsItsCertificates) {
  write_mesh();
  make_ca("ca-1");
  make_ca("ca-2");
  enable("ca-1");
  write_dataplane("web-1", "web");
  write_dataplane("kv-1", "kv");
  const StreamId web = connect("web-1"), kv = connect("kv-1");
  holds(web);
  holds(kv);
  const std::string web_before = identity(web);

  enable("ca-2");
  EXPECT_EQ(trusted(web), "ca-1 ca-2");
  EXPECT_EQ(identity(web), web_before);
  holds(web);
  EXPECT_EQ(identity(web), web_before);  // kv does not trust it yet
  holds(kv);
  EXPECT_NE(identity(web), web_before);
  EXPECT_EQ(trusted(web), "ca-1 ca-2");
  holds(web);
  EXPECT_EQ(trusted(web), "ca-1 ca-2");  // kv may still show the old one
  holds(kv);
  EXPECT_EQ(trusted(web), "ca-2");
  EXPECT_EQ(trusted(kv), "ca-2");
}

TEST_F(CertificatesTest, AProxyThatDoesNotAnswerHoldsAChangeOfCaUpForAWhileOnly) {
  write_mesh();
  make_ca("ca-1");
  make_ca("ca-2");
  enable("ca-1");
  write_dataplane("web-1", "web");
  const StreamId web = connect("web-1");
  enable("ca-2");
  EXPECT_EQ(trusted(web), "ca-1 ca-2");
  clock.advance(60s);
  step();
  clock.advance(60s);
  step();
  EXPECT_EQ(trusted(web), "ca-2");
}

TEST_F(CertificatesTest, WithoutItsCaAProxyKeepsWhatItHad) {
  write_mesh();
  write_dataplane("web-1", "web");
  const StreamId web = connect("web-1");
  take_offered();
  roots["ca-1"] = "";
  enable("ca-1");
  EXPECT_THAT(take_offered(), IsEmpty());
  make_ca("ca-1");
  step();
  EXPECT_THAT(take_offered(), ElementsAre(web));
  EXPECT_NE(identity(web), "(none)");
}

}  // namespace
}  // namespace mesh
