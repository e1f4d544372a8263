#include "naming/hostname_book.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/service.h"

namespace mesh {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class HostnameBookTest : public testing::Test {
 protected:
  void generator(const std::string& name, const std::string& text, Duration age = 0s,
                 const std::string& origin = "zone", std::map<std::string, std::string> match = {}) {
    HostnameGenerator spec;
    spec.selector.mesh_service = LabelSelector{std::move(match)};
    spec.template_ = text;
    Resource resource;
    resource.key = {&kHostnameGeneratorKind, {}, name};
    resource.labels["kuma.io/origin"] = origin;
    resource.created = SystemTime{1000h} - std::chrono::duration_cast<SystemTime::duration>(age);
    resource.spec = AnySpec::of(std::move(spec));
    book.on_generator(resource);
  }
  ResourceKey service(const std::string& name, Labels labels = {}, Duration age = 0s,
                      const std::string& mesh = "default") {
    Resource resource;
    resource.key = {&kMeshServiceKind, mesh, name};
    resource.labels = std::move(labels);
    resource.created = SystemTime{1000h} - std::chrono::duration_cast<SystemTime::duration>(age);
    resource.spec = AnySpec::of(MeshService{});
    book.on_service(resource);
    return resource.key;
  }
  std::vector<std::string> names_of(const ResourceKey& key) {
    std::vector<std::string> out;
    for (const ServiceHostname& each : book.outcome_of(key).addresses)
      out.push_back(each.hostname + " by " + each.hostname_generator_ref.core_name);
    return out;
  }
  std::vector<std::string> reasons_of(const ResourceKey& key) {
    std::vector<std::string> out;
    for (const GeneratorStatus& each : book.outcome_of(key).generators)
      out.push_back(each.hostname_generator_ref.core_name + ": " + each.conditions.at(0).status + " " +
                    each.conditions.at(0).reason + " " + each.conditions.at(0).message);
    return out;
  }

  HostnameBook book{"ecs"};
};

TEST_F(HostnameBookTest, AServiceIsNamedByEveryGeneratorThatSelectsIt) {
  generator("local", "{{ .DisplayName }}.svc.mesh.local");
  generator("team", "{{ label \"team\" }}.{{ .Zone }}.{{ .Mesh }}", 0s, "zone", {{"kind", "api"}});
  const ResourceKey kv = service("kv", {{"kind", "api"}, {"team", "store"}, {"kuma.io/display-name", "kv-1"}});
  const ResourceKey web = service("web");
  EXPECT_THAT(names_of(kv), ElementsAre("kv-1.svc.mesh.local by local", "store.ecs.default by team"));
  EXPECT_THAT(names_of(web), ElementsAre("web.svc.mesh.local by local"));
  EXPECT_THAT(reasons_of(web), ElementsAre("local: True Generated "));
}

TEST_F(HostnameBookTest, AnotherKindOfServiceIsNotNamed) {
  generator("local", "{{ .DisplayName }}.svc.mesh.local");
  Resource external;
  external.key = {&kMeshExternalServiceKind, "default", "httpbin"};
  book.on_service(external);
  EXPECT_THAT(names_of(external.key), IsEmpty());
}

TEST_F(HostnameBookTest, OfTwoServicesThatWantANameTheOlderGetsIt) {
  generator("all", "one.mesh.local");
  const ResourceKey young = service("a", {}, 1h);
  const ResourceKey old = service("b", {}, 2h);
  EXPECT_THAT(names_of(old), ElementsAre("one.mesh.local by all"));
  EXPECT_THAT(names_of(young), IsEmpty());
  EXPECT_THAT(reasons_of(young),
              ElementsAre("all: False Collision Hostname collision with MeshService: b has one.mesh.local"));
}

TEST_F(HostnameBookTest, WhoWaitedForANameGetsItWhenItsOwnerGoes) {
  generator("all", "one.mesh.local");
  const ResourceKey young = service("a", {}, 1h);
  const ResourceKey old = service("b", {}, 2h);
  book.take_touched();
  book.on_service_gone(old);
  EXPECT_THAT(book.take_touched(), ElementsAre(young));
  EXPECT_THAT(names_of(young), ElementsAre("one.mesh.local by all"));
}

TEST_F(HostnameBookTest, AGeneratorOfThisZoneComesBeforeOneFromTheGlobalControlPlane) {
  generator("global", "{{ label \"x\" }}.local", 9h, "global", {{"x", "n"}});
  generator("zone", "n.local", 0s, "zone", {{"y", "n"}});
  const ResourceKey by_global = service("a", {{"x", "n"}}, 9h);
  const ResourceKey by_zone = service("b", {{"y", "n"}}, 0s);
  EXPECT_THAT(names_of(by_zone), ElementsAre("n.local by zone"));
  EXPECT_THAT(names_of(by_global), IsEmpty());
}

TEST_F(HostnameBookTest, ANameMayBeTakenOnceInEveryMesh) {
  generator("all", "{{ .DisplayName }}.local");
  const ResourceKey one = service("kv", {}, 0s, "one");
  const ResourceKey two = service("kv", {}, 0s, "two");
  EXPECT_THAT(names_of(one), SizeIs(1));
  EXPECT_THAT(names_of(two), SizeIs(1));
}

TEST_F(HostnameBookTest, ALabelThatIsMissingIsSaidOfThatServiceAlone) {
  generator("team", "{{ label \"team\" }}.local");
  EXPECT_THAT(reasons_of(service("kv")), ElementsAre("team: False TemplateError label team not found"));
  EXPECT_THAT(names_of(service("web", {{"team", "front"}})), ElementsAre("front.local by team"));
}

TEST_F(HostnameBookTest, AChangedGeneratorRenamesAndARemovedOneTakesItsNames) {
  generator("all", "{{ .Name }}.old");
  const ResourceKey kv = service("kv");
  book.take_touched();
  generator("all", "{{ .Name }}.new");
  EXPECT_THAT(book.take_touched(), ElementsAre(kv));
  EXPECT_THAT(names_of(kv), ElementsAre("kv.new by all"));
  book.on_generator_gone("all");
  EXPECT_THAT(book.take_touched(), ElementsAre(kv));
  EXPECT_THAT(reasons_of(kv), IsEmpty());
}

TEST_F(HostnameBookTest, OneServiceMoreTouchesNoOther) {
  generator("all", "{{ .Name }}.local");
  for (int i = 0; i < 1000; ++i) service(fmt::format("s{}", i));
  book.take_touched();
  service("one-more");
  EXPECT_THAT(book.take_touched(), SizeIs(1));
  service("one-more");  // as it was
  EXPECT_THAT(book.take_touched(), IsEmpty());
}

}  // namespace
}  // namespace mesh
