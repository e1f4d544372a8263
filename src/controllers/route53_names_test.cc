#include "controllers/route53_names.h"

#include <gmock/gmock.h>

#include "model/address_block.h"
#include "model/mesh.h"

namespace mesh {
namespace {

using route53::NameState;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;
using Kind = NameState::Kind;

const SystemTime kNow = *parse_time("2026-11-24T12:00:00Z");
const Route53Names::NameKey kKv = {"Z1", "kv.svc.mesh.local."}, kRedis = {"Z1", "redis.mesh.local."};

// What the store tells, and what the names make of it.
struct Book {
  Route53Names names{{.zone = "east", .zone_id = "Z1", .domain = "mesh.local"}};
  Revision revision = 0;

  Change put(const mesh::Kind& kind, const std::string& name, AnySpec spec, AnySpec status = {}) {
    Change out;
    out.resource.key = {&kind, kind.scope == Scope::Mesh ? "default" : "", name};
    out.resource.spec = std::move(spec);
    out.resource.status = std::move(status);
    out.resource.revision = ++revision;
    return out;
  }
  Change put(Resource resource) {
    resource.revision = ++revision;
    return {Change::Op::Put, std::move(resource)};
  }
  Change remove(const mesh::Kind& kind, const std::string& name) {
    Change out = put(kind, name, {});
    out.op = Change::Op::Delete;
    return out;
  }
  Change mesh() { return put(kMeshKind, "default", AnySpec::of(Mesh())); }
  Change generator(const boost::json::value& config, const std::string& type = kRoute53Extension) {
    HostnameGenerator spec;
    spec.template_ = "{{ .DisplayName }}.svc.mesh.local";
    spec.extension = Extension{type, config};
    return put(kHostnameGeneratorKind, "route53", AnySpec::of(std::move(spec)));
  }
  Change service(const std::string& name, const std::string& address) {
    MeshServiceStatus status;
    if (!address.empty()) status.vips = {Vip{address}};
    status.addresses = {{name + ".svc.mesh.local", "HostnameGenerator", {"route53"}}};
    status.hostname_generators = {{{"route53"}, {{kGeneratedCondition, "True", "Generated", "", {}}}}};
    return put(kMeshServiceKind, name, AnySpec::of(MeshService()), AnySpec::of(std::move(status)));
  }
  Change block(const std::map<std::string, AddressEntry>& addresses) {
    return put(kAddressBlockKind, "127.1.0.0", AnySpec::of(AddressBlock{addresses}));
  }
  Route53Names::News take(std::vector<Change> changes, bool from_start = false) {
    return names.on_batch({revision, from_start, std::move(changes)});
  }
  // "zone name address" of all that is wanted; the outer nothing: as before.
  std::optional<std::vector<std::string>> wanted() {
    const auto records = names.take_wanted();
    if (!records) return std::nullopt;
    std::vector<std::string> out;
    for (const auto& record : *records) out.push_back(record.zone_id + " " + record.hostname + " " + record.address);
    return out;
  }
  void started(std::vector<Change> more = {}) {
    std::vector<Change> all = {mesh(), generator({{"hostedZoneId", "Z1"}})};
    all.insert(all.end(), more.begin(), more.end());
    take(std::move(all), true);
    names.take_wanted();
    names.take_writes(kNow);
  }
  // The Published condition of the only write there is.
  std::optional<Condition> written(SystemTime now = kNow) {
    last = names.take_writes(now);
    EXPECT_LE(last.size(), 1U);
    if (last.empty()) return std::nullopt;
    for (const auto& one : generators_of(last.front().resource).front().conditions)
      if (one.type == kPublishedCondition) return one;
    return std::nullopt;
  }
  std::vector<Write> last;
};

TEST(Route53Names, OfTheStartAreWantedAtOnce) {
  Book book;
  EXPECT_EQ(book.wanted(), std::nullopt) << "nothing is known yet";
  const auto news = book.take({book.service("kv", "127.4.0.1"), book.generator({{"hostedZoneId", "Z1"}}), book.mesh(),
                               book.block({{"127.1.0.0", {"service/redis", {}, {}}}})},
                              true);
  EXPECT_THAT(news.names, IsEmpty());
  EXPECT_THAT(*book.wanted(), UnorderedElementsAre("Z1 kv.svc.mesh.local 127.4.0.1", "Z1 redis.mesh.local 127.1.0.0"));
  EXPECT_EQ(book.wanted(), std::nullopt);
}

TEST(Route53Names, ThatAreNewWaitUntilProxiesListen) {
  Book book;
  book.started();
  const auto news = book.take({book.service("kv", "127.4.0.1")});
  EXPECT_THAT(news.names, ElementsAre(kKv));
  EXPECT_THAT(news.meshes, ElementsAre("default"));
  EXPECT_THAT(*book.wanted(), IsEmpty());
  book.names.release(news.names);
  EXPECT_THAT(*book.wanted(), ElementsAre("Z1 kv.svc.mesh.local 127.4.0.1"));
}

TEST(Route53Names, OfServicesByTagConcernTheProxiesOfAllMeshes) {
  Book book;
  book.started();
  const auto news =
      book.take({book.block({{"127.1.0.0", {"service/redis", {}, {}}}, {"127.1.0.1", {"ms/default/kv", {}, {}}}})});
  EXPECT_THAT(news.names, ElementsAre(kRedis));
  EXPECT_THAT(news.meshes, ElementsAre("default"));
}

TEST(Route53Names, WithUnderscoresAreFoundWithDotsToo) {
  Book book;
  book.started();
  const auto news = book.take({book.block({{"127.1.0.0", {"service/kv_demo_svc", {}, {}}}})});
  EXPECT_THAT(news.names, SizeIs(2));
}

TEST(Route53Names, GoWithTheirServiceAndWithTheirGenerator) {
  Book book;
  book.started({book.service("kv", "127.4.0.1"), book.service("web", "127.4.0.2"),
                book.block({{"127.1.0.0", {"service/redis", {}, {}}}})});
  book.take({book.remove(kMeshServiceKind, "kv")});
  EXPECT_THAT(*book.wanted(), UnorderedElementsAre("Z1 web.svc.mesh.local 127.4.0.2", "Z1 redis.mesh.local 127.1.0.0"));
  book.take({book.remove(kHostnameGeneratorKind, "route53")});
  EXPECT_THAT(*book.wanted(), ElementsAre("Z1 redis.mesh.local 127.1.0.0"));
  book.take({book.block({{"127.1.0.0", {"service/redis", kNow, {}}}})});  // its last Dataplane is gone
  EXPECT_THAT(*book.wanted(), IsEmpty());
}

TEST(Route53Names, NeedAnAddressAndAGeneratorThatAsksForRoute53) {
  Book book;
  book.take({book.mesh(), book.generator({{"hostedZoneId", "Z1"}}, "Other"), book.service("kv", "127.4.0.1"),
             book.service("new", "")},
            true);
  EXPECT_THAT(*book.wanted(), IsEmpty());
  book.take({book.generator({{"hostedZoneId", "Z1"}})});
  book.names.release({kKv});
  EXPECT_THAT(*book.wanted(), ElementsAre("Z1 kv.svc.mesh.local 127.4.0.1"));
}

TEST(Route53Names, GoIntoTheHostedZoneOfThisZoneOfTheMesh) {
  Book book;
  const boost::json::value zones = {
      {"hostedZones",
       {{{"name", "west"}, {"hostedZoneId", "ZWEST"}}, {{"name", "east"}, {"hostedZoneId", "/hostedzone/ZEAST"}}}}};
  book.take({book.mesh(), book.generator(zones), book.service("kv", "127.4.0.1")}, true);
  EXPECT_THAT(*book.wanted(), ElementsAre("/hostedzone/ZEAST kv.svc.mesh.local 127.4.0.1"));
  book.names.on_states({{{"ZEAST", "kv.svc.mesh.local."}, {Kind::Accepted, "", kNow}}});
  EXPECT_EQ(book.written()->reason, "Accepted");
}

TEST(Route53Names, TellInTheStatusHowFarTheyHaveCome) {
  Book book;
  book.started({book.service("kv", "127.4.0.1")});
  const auto said = [&](Kind kind, const std::string& why, std::chrono::seconds later) {
    book.names.on_states({{kKv, {kind, why, kNow + later}}});
    auto condition = book.written();
    if (!book.last.empty()) book.take({book.put(book.last.front().resource)});  // the store tells of what we wrote
    return condition;
  };
  EXPECT_EQ(said(Kind::Waiting, "", {}), std::nullopt);
  auto condition = said(Kind::Accepted, "", std::chrono::seconds(1));
  EXPECT_EQ(condition->status + " " + condition->reason, "True Accepted");
  EXPECT_EQ(condition->message, "kv.svc.mesh.local leads to 127.4.0.1 in hosted zone Z1");
  EXPECT_EQ(condition->last_transition_time, kNow + std::chrono::seconds(1));
  EXPECT_EQ(said(Kind::InSync, "", std::chrono::seconds(2))->reason, "InSync");
  EXPECT_EQ(said(Kind::InSync, "", std::chrono::seconds(3)), std::nullopt) << "the same is not written again";
  condition = said(Kind::Conflict, "an A record that is not ours", std::chrono::seconds(4));
  EXPECT_EQ(condition->status + " " + condition->reason, "False Conflict");
  EXPECT_THAT(condition->message, HasSubstr("not ours"));
  EXPECT_EQ(said(Kind::Refused, "bad", std::chrono::seconds(5))->reason, "Refused");
  EXPECT_EQ(said(Kind::Blocked, "AccessDenied", std::chrono::seconds(6))->message, "AccessDenied");
  EXPECT_EQ(said(Kind::Waiting, "", std::chrono::seconds(7)), std::nullopt) << "the last that is known stands";
}

TEST(Route53Names, AreThoseOfAllKindsOfServices) {
  Book book;
  MeshExternalServiceStatus outside;
  outside.vip = Vip{"127.3.0.1"};
  outside.addresses = {{"out.svc.mesh.local", "HostnameGenerator", {"route53"}}};
  outside.hostname_generators = {{{"route53"}, {}}};
  MeshMultiZoneServiceStatus everywhere;
  everywhere.vips = {Vip{"127.2.0.1"}};
  everywhere.addresses = {{"all.svc.mesh.local", "HostnameGenerator", {"route53"}}};
  everywhere.hostname_generators = {{{"route53"}, {}}};
  book.started(
      {book.put(kMeshExternalServiceKind, "out", AnySpec::of(MeshExternalService()), AnySpec::of(outside)),
       book.put(kMeshMultiZoneServiceKind, "all", AnySpec::of(MeshMultiZoneService()), AnySpec::of(everywhere))});
  book.take({book.service("kv", "127.4.0.1")});
  book.names.release({kKv});
  EXPECT_THAT(*book.wanted(), UnorderedElementsAre("Z1 kv.svc.mesh.local 127.4.0.1", "Z1 out.svc.mesh.local 127.3.0.1",
                                                   "Z1 all.svc.mesh.local 127.2.0.1"));
  for (const char* name : {"out.svc.mesh.local.", "all.svc.mesh.local."}) {
    book.names.on_states({{{"Z1", name}, {Kind::Accepted, "", kNow}}});
    EXPECT_EQ(book.written()->reason, "Accepted") << name;
  }
}

TEST(Route53Names, LoseTheConditionWithTheirPublishing) {
  Book book;
  book.started({book.service("kv", "127.4.0.1")});
  book.names.on_states({{kKv, {Kind::Accepted, "", kNow}}});
  ASSERT_TRUE(book.written());
  book.take({book.put(book.last.front().resource)});
  book.take({book.remove(kHostnameGeneratorKind, "route53")});
  EXPECT_EQ(book.written(), std::nullopt);
  EXPECT_THAT(book.last, SizeIs(1));
  EXPECT_THAT(generators_of(book.last.front().resource).front().conditions, SizeIs(1));
}

TEST(Route53Names, OfServicesByTagTellItInTheirBlock) {
  Book book;
  book.started({book.block({{"127.1.0.0", {"service/redis", {}, {}}}, {"127.1.0.1", {"service/kv", {}, {}}}})});
  book.names.on_states(
      {{kRedis, {Kind::Refused, "bad", kNow}}, {{"Z1", "kv.mesh.local."}, {Kind::Accepted, "", kNow}}});
  const auto writes = book.names.take_writes(kNow);
  ASSERT_THAT(writes, SizeIs(1));
  const auto& addresses = writes.front().resource.spec.as<AddressBlock>()->addresses;
  EXPECT_EQ(addresses.at("127.1.0.0").published->reason, "Refused");
  EXPECT_EQ(addresses.at("127.1.0.1").published->reason, "Accepted");
}

TEST(Route53Names, WriteEachStatusOnceAndAgainWhenItCouldNotBeWritten) {
  Book book;
  book.started({book.service("kv", "127.4.0.1")});
  book.names.on_states({{kKv, {Kind::Accepted, "", kNow}}});
  ASSERT_TRUE(book.written());
  EXPECT_EQ(book.last.front().expect.revision, 1U) << "as it was when it was read";
  book.names.on_states({{kKv, {Kind::InSync, "", kNow}}});
  EXPECT_EQ(book.written(), std::nullopt) << "the first one is under way";
  book.names.on_write_failed({&kMeshServiceKind, "default", "kv"});
  EXPECT_EQ(book.written()->reason, "InSync");
}

TEST(Route53Names, AreNoNewsWhenTheStoreTellsEverythingAnew) {
  Book book;
  book.started({book.service("kv", "127.4.0.1"), book.service("web", "127.4.0.2")});
  const auto news =
      book.take({book.mesh(), book.generator({{"hostedZoneId", "Z1"}}), book.service("kv", "127.4.0.1")}, true);
  EXPECT_THAT(news.names, IsEmpty());
  EXPECT_THAT(*book.wanted(), ElementsAre("Z1 kv.svc.mesh.local 127.4.0.1"));
}

}  // namespace
}  // namespace mesh
