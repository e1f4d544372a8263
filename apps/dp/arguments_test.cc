#include "dp/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "dp/options.h"

namespace mesh {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

Result<Invocation> parse(std::vector<std::string> arguments, std::map<std::string, std::string> variables = {}) {
  return parse_arguments(arguments, [variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  });
}

TEST(Arguments, OfATypicalEcsTaskAreUnderstood) {
  const auto invocation =
      parse({"run", "--cp-address=https://cp:5678", "--dataplane-file=/dp.yaml", "-v", "name=kv-1", "-v",
             "address=10.0.0.2", "--dataplane-token-file", "/token", "--bind-outbounds", "--drain-time", "20s"});
  ASSERT_TRUE(invocation) << invocation.error().message();
  const auto& settings = invocation->settings;
  EXPECT_EQ(settings.cp_address, "https://cp:5678");
  EXPECT_EQ(settings.resource_file, "/dp.yaml");
  EXPECT_THAT(settings.resource_variables,
              testing::ElementsAre(testing::Pair("address", "10.0.0.2"), testing::Pair("name", "kv-1")));
  EXPECT_EQ(settings.token_file, "/token");
  EXPECT_TRUE(settings.bind_outbounds);
  EXPECT_EQ(settings.drain_time, 20s);
}

TEST(Arguments, MayBeVariablesInstead) {
  const auto invocation = parse({"run"}, {{"KUMA_DATAPLANE_RUNTIME_RESOURCE", "type: Dataplane"},
                                          {"KUMA_CONTROL_PLANE_CA_CERT", "pem"},
                                          {"KUMA_DATAPLANE_DRAIN_TIME", "10s"},
                                          {"KUMA_READINESS_PORT", "9999"},
                                          {"KUMA_DATAPLANE_RUNTIME_TOKEN", "a.b.c"},
                                          {"KUMA_SOMETHING_ELSE", "x"}});
  ASSERT_TRUE(invocation) << invocation.error().message();
  EXPECT_EQ(invocation->settings.resource, "type: Dataplane");
  EXPECT_EQ(invocation->settings.ca_cert, "pem");
  EXPECT_EQ(invocation->settings.drain_time, 10s);
  EXPECT_EQ(invocation->settings.readiness_port, 9999);
  EXPECT_EQ(invocation->settings.token.reveal(), "a.b.c");
}

TEST(Arguments, SayHowTheProxyProvesWhoItIs) {
  const auto chosen = [](std::vector<std::string> given, const std::map<std::string, std::string>& variables = {}) {
    given.insert(given.begin(), {"run", "--name=a", "--mesh=m"});
    const auto invocation = parse(given, variables);
    return invocation ? invocation->settings.auth_type : invocation.error().message();
  };
  for (const char* type : {"aws", "dataplane-token", "none"}) EXPECT_EQ(chosen({"--auth-type", type}), type);
  EXPECT_EQ(chosen({}, {{"KUMA_DATAPLANE_RUNTIME_AUTH_TYPE", "aws"}}), "aws");
  EXPECT_EQ(chosen({"--auth-type=none"}, {{"KUMA_DATAPLANE_RUNTIME_AUTH_TYPE", "aws"}}), "none");
}

TEST(Arguments, WinOverVariablesAndSaySo) {
  const auto invocation = parse({"run", "--name", "a", "--mesh", "m"}, {{"KUMA_DATAPLANE_NAME", "b"}});
  ASSERT_TRUE(invocation) << invocation.error().message();
  EXPECT_EQ(invocation->settings.name, "a");
  ASSERT_EQ(invocation->remarks.size(), 1);
  EXPECT_THAT(invocation->remarks[0], HasSubstr("KUMA_DATAPLANE_NAME"));
}

TEST(Arguments, TakeSeveralTemplateVariablesAtOnce) {
  const auto invocation = parse({"run", "--dataplane", "x", "--dataplane-var", "a=1,b=2", "-v", "list=x,y"});
  ASSERT_TRUE(invocation) << invocation.error().message();
  EXPECT_THAT(invocation->settings.resource_variables,
              testing::ElementsAre(testing::Pair("a", "1"), testing::Pair("b", "2"), testing::Pair("list", "x,y")));
}

TEST(Arguments, MayTurnAFlagOff) {
  const auto invocation = parse({"run", "--name=a", "--mesh=m", "--skip-verify=false", "--bind-outbounds=true"});
  ASSERT_TRUE(invocation) << invocation.error().message();
  EXPECT_FALSE(invocation->settings.skip_verify);
  EXPECT_TRUE(invocation->settings.bind_outbounds);
}

TEST(Arguments, OfThePeerThatMeanNothingHereAreAcceptedWithARemark) {
  const auto invocation = parse({"run", "--name=a", "--mesh=m", "--dns-envoy-port=15054", "--transparent-proxy"});
  ASSERT_TRUE(invocation) << invocation.error().message();
  EXPECT_EQ(invocation->remarks.size(), 2);
}

TEST(Arguments, TurnTheDnsServerOnThatIsOffHere) {
  const auto off = parse({"run", "--name=a", "--mesh=m", "--bind-outbounds"});
  ASSERT_TRUE(off) << off.error().message();
  EXPECT_FALSE(off->settings.serves_names());
  const auto on = parse({"run", "--name=a", "--mesh=m", "--bind-outbounds", "--dns-enabled"},
                        {{"KUMA_DNS_PROXY_PORT", "53"}, {"KUMA_DNS_CORE_DNS_PORT", "15053"}});
  ASSERT_TRUE(on) << on.error().message();
  EXPECT_TRUE(on->settings.serves_names());
  EXPECT_EQ(on->settings.dns_port, 53U);
  EXPECT_THAT(on->settings.features(), testing::IsSupersetOf({"feature-bind-outbounds", "feature-embedded-dns"}));
  const auto by_the_old_name = parse({"run", "--name=a", "--mesh=m", "--dns-enabled", "--dns-coredns-port", "5353"});
  ASSERT_TRUE(by_the_old_name) << by_the_old_name.error().message();
  EXPECT_EQ(by_the_old_name->settings.dns_port, 5353U);
  EXPECT_FALSE(by_the_old_name->settings.serves_names()) << "there are no addresses for names to lead to";
  EXPECT_FALSE(parse({"run", "--name=a", "--mesh=m", "--dns-proxy-port", "70000"}));
}

TEST(Arguments, ThatAreWrongAreNamedWithWhatIsAllowed) {
  EXPECT_THAT(parse({"run", "--name=a", "--mesh=m", "--drain-time", "soon"}).error().message(),
              testing::AllOf(HasSubstr("--drain-time"), HasSubstr("soon"), HasSubstr("30s")));
  EXPECT_THAT(parse({"run", "--name=a", "--mesh=m"}, {{"KUMA_READINESS_PORT", "x"}}).error().message(),
              HasSubstr("KUMA_READINESS_PORT"));
  EXPECT_THAT(parse({"run", "--nam=a"}).error().message(), HasSubstr("--nam"));
  EXPECT_FALSE(parse({}));
}

TEST(Arguments, PrintVersionHelpAndCompletion) {
  EXPECT_THAT(parse({"version"})->text, HasSubstr("Taskmesh"));
  EXPECT_THAT(parse({"run", "--help"})->text, HasSubstr("--dataplane-file"));
  EXPECT_THAT(parse({"completion", "bash"})->text, HasSubstr("--dataplane-file"));
  EXPECT_FALSE(parse({"completion", "cmd"}));
}

TEST(Arguments, OfWaitHaveTheReadinessPortByDefault) {
  const auto invocation = parse({"wait", "--timeout", "5s"});
  ASSERT_TRUE(invocation) << invocation.error().message();
  EXPECT_EQ(invocation->command, Invocation::Command::Wait);
  EXPECT_EQ(invocation->wait.url, "http://localhost:9902/ready");
  EXPECT_EQ(invocation->wait.timeout, 5s);
}

TEST(Options, AreEachNamedOnce) {
  std::map<std::string, int> seen;
  for (const RunOption& option : run_options()) {
    for (const std::string name : {option.flag, option.variable}) {
      if (!name.empty()) ++seen[name];
    }
  }
  EXPECT_THAT(seen, testing::Each(testing::Field(&std::pair<const std::string, int>::second, 1)));
}

}  // namespace
}  // namespace mesh
