# cmake --install: the three programs, the names that a drop-in replacement needs, man pages, completions, units.
include(GNUInstallDirs)

set(MESH_ALIASES "taskmesh-cp=kuma-cp;taskmesh-dp=kuma-dp;taskmeshctl=kumactl")

foreach(pair IN LISTS MESH_ALIASES)
  string(REPLACE "=" ";" names "${pair}")
  list(GET names 0 program)
  list(GET names 1 alias)
  if(NOT TARGET ${program})
    continue()
  endif()
  install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(CODE "file(CREATE_LINK ${program} \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/${alias}\" SYMBOLIC)")
endforeach()

install(FILES packaging/man/taskmesh-cp.8 packaging/man/taskmesh-dp.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
install(FILES packaging/man/taskmeshctl.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)

foreach(unit IN ITEMS taskmesh-cp.service taskmesh-dp@.service)
  configure_file(packaging/systemd/${unit} "${CMAKE_BINARY_DIR}/systemd/${unit}" @ONLY)
  install(FILES "${CMAKE_BINARY_DIR}/systemd/${unit}" DESTINATION lib/systemd/system)
endforeach()

if(TARGET taskmeshctl)
  set(completions "${CMAKE_BINARY_DIR}/completions")
  add_custom_command(
    OUTPUT "${completions}/taskmeshctl.bash" "${completions}/_taskmeshctl" "${completions}/taskmeshctl.fish"
    COMMAND ${CMAKE_COMMAND} -E make_directory "${completions}"
    COMMAND taskmeshctl completion bash > "${completions}/taskmeshctl.bash"
    COMMAND taskmeshctl completion zsh > "${completions}/_taskmeshctl"
    COMMAND taskmeshctl completion fish > "${completions}/taskmeshctl.fish"
    DEPENDS taskmeshctl VERBATIM)
  add_custom_target(completions ALL DEPENDS "${completions}/taskmeshctl.bash")
  install(FILES "${completions}/taskmeshctl.bash" DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME taskmeshctl)
  install(FILES "${completions}/_taskmeshctl" DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
  install(FILES "${completions}/taskmeshctl.fish" DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
endif()
