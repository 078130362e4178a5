//! Numbers that the kernel writes and the names people and rules use: system calls by architecture, error numbers,
//! record types. The tables are text, one word a number (`-` where there is none), and are split once.

use std::collections::HashMap;

use ahash::RandomState;

/// System calls of x86_64, from 0.
const X86_64: &str = "\
    read write open close stat fstat lstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask \
    rt_sigreturn ioctl pread64 pwrite64 readv writev access pipe select sched_yield mremap msync mincore madvise \
    shmget shmat shmctl dup dup2 pause nanosleep getitimer alarm setitimer getpid sendfile socket connect accept \
    sendto recvfrom sendmsg recvmsg shutdown bind listen getsockname getpeername socketpair setsockopt getsockopt \
    clone fork vfork execve exit wait4 kill uname semget semop semctl shmdt msgget msgsnd msgrcv msgctl fcntl \
    flock fsync fdatasync truncate ftruncate getdents getcwd chdir fchdir rename mkdir rmdir creat link unlink \
    symlink readlink chmod fchmod chown fchown lchown umask gettimeofday getrlimit getrusage sysinfo times ptrace \
    getuid syslog getgid setuid setgid geteuid getegid setpgid getppid getpgrp setsid setreuid setregid getgroups \
    setgroups setresuid getresuid setresgid getresgid getpgid setfsuid setfsgid getsid capget capset rt_sigpending \
    rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend sigaltstack utime mknod uselib personality ustat statfs fstatfs \
    sysfs getpriority setpriority sched_setparam sched_getparam sched_setscheduler sched_getscheduler \
    sched_get_priority_max sched_get_priority_min sched_rr_get_interval mlock munlock mlockall munlockall vhangup \
    modify_ldt pivot_root _sysctl prctl arch_prctl adjtimex setrlimit chroot sync acct settimeofday mount umount2 \
    swapon swapoff reboot sethostname setdomainname iopl ioperm create_module init_module delete_module \
    get_kernel_syms query_module quotactl nfsservctl getpmsg putpmsg afs_syscall tuxcall security gettid readahead \
    setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr removexattr \
    lremovexattr fremovexattr tkill time futex sched_setaffinity sched_getaffinity set_thread_area io_setup \
    io_destroy io_getevents io_submit io_cancel get_thread_area lookup_dcookie epoll_create epoll_ctl_old \
    epoll_wait_old remap_file_pages getdents64 set_tid_address restart_syscall semtimedop fadvise64 timer_create \
    timer_settime timer_gettime timer_getoverrun timer_delete clock_settime clock_gettime clock_getres \
    clock_nanosleep exit_group epoll_wait epoll_ctl tgkill utimes vserver mbind set_mempolicy get_mempolicy \
    mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr kexec_load waitid add_key request_key \
    keyctl ioprio_set ioprio_get inotify_init inotify_add_watch inotify_rm_watch migrate_pages openat mkdirat \
    mknodat fchownat futimesat newfstatat unlinkat renameat linkat symlinkat readlinkat fchmodat faccessat \
    pselect6 ppoll unshare set_robust_list get_robust_list splice tee sync_file_range vmsplice move_pages \
    utimensat epoll_pwait signalfd timerfd_create eventfd fallocate timerfd_settime timerfd_gettime accept4 \
    signalfd4 eventfd2 epoll_create1 dup3 pipe2 inotify_init1 preadv pwritev rt_tgsigqueueinfo perf_event_open \
    recvmmsg fanotify_init fanotify_mark prlimit64 name_to_handle_at open_by_handle_at clock_adjtime syncfs \
    sendmmsg setns getcpu process_vm_readv process_vm_writev kcmp finit_module sched_setattr sched_getattr \
    renameat2 seccomp getrandom memfd_create kexec_file_load bpf execveat userfaultfd membarrier mlock2 \
    copy_file_range preadv2 pwritev2 pkey_mprotect pkey_alloc pkey_free statx io_pgetevents rseq - - - - - - - - - \
    - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - \
    - - - - - - - - - - - - - - - - - - - - - - - - - pidfd_send_signal io_uring_setup io_uring_enter \
    io_uring_register open_tree move_mount fsopen fsconfig fsmount fspick pidfd_open clone3 close_range openat2 \
    pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr quotactl_fd landlock_create_ruleset \
    landlock_add_rule landlock_restrict_self memfd_secret process_mrelease futex_waitv set_mempolicy_home_node \
    cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue statmount listmount lsm_get_self_attr \
    lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat listxattrat removexattrat open_tree_attr \
    file_getattr file_setattr";

/// System calls of i386, from 0.
const I386: &str = "\
    restart_syscall exit fork read write open close waitpid creat link unlink execve chdir time mknod chmod lchown \
    break oldstat lseek getpid mount umount setuid getuid stime ptrace alarm oldfstat pause utime stty gtty access \
    nice ftime sync kill rename mkdir rmdir dup pipe times prof brk setgid getgid signal geteuid getegid acct \
    umount2 lock ioctl fcntl mpx setpgid ulimit oldolduname umask chroot ustat dup2 getppid getpgrp setsid \
    sigaction sgetmask ssetmask setreuid setregid sigsuspend sigpending sethostname setrlimit getrlimit getrusage \
    gettimeofday settimeofday getgroups setgroups select symlink oldlstat readlink uselib swapon reboot readdir \
    mmap munmap truncate ftruncate fchmod fchown getpriority setpriority profil statfs fstatfs ioperm socketcall \
    syslog setitimer getitimer stat lstat fstat olduname iopl vhangup idle vm86old wait4 swapoff sysinfo ipc fsync \
    sigreturn clone setdomainname uname modify_ldt adjtimex mprotect sigprocmask create_module init_module \
    delete_module get_kernel_syms quotactl getpgid fchdir bdflush sysfs personality afs_syscall setfsuid setfsgid \
    _llseek getdents _newselect flock msync readv writev getsid fdatasync _sysctl mlock munlock mlockall \
    munlockall sched_setparam sched_getparam sched_setscheduler sched_getscheduler sched_yield \
    sched_get_priority_max sched_get_priority_min sched_rr_get_interval nanosleep mremap setresuid getresuid vm86 \
    query_module poll nfsservctl setresgid getresgid prctl rt_sigreturn rt_sigaction rt_sigprocmask rt_sigpending \
    rt_sigtimedwait rt_sigqueueinfo rt_sigsuspend pread64 pwrite64 chown getcwd capget capset sigaltstack sendfile \
    getpmsg putpmsg vfork ugetrlimit mmap2 truncate64 ftruncate64 stat64 lstat64 fstat64 lchown32 getuid32 \
    getgid32 geteuid32 getegid32 setreuid32 setregid32 getgroups32 setgroups32 fchown32 setresuid32 getresuid32 \
    setresgid32 getresgid32 chown32 setuid32 setgid32 setfsuid32 setfsgid32 pivot_root mincore madvise getdents64 \
    fcntl64 - - gettid readahead setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr listxattr llistxattr \
    flistxattr removexattr lremovexattr fremovexattr tkill sendfile64 futex sched_setaffinity sched_getaffinity \
    set_thread_area get_thread_area io_setup io_destroy io_getevents io_submit io_cancel fadvise64 - exit_group \
    lookup_dcookie epoll_create epoll_ctl epoll_wait remap_file_pages set_tid_address timer_create timer_settime \
    timer_gettime timer_getoverrun timer_delete clock_settime clock_gettime clock_getres clock_nanosleep statfs64 \
    fstatfs64 tgkill utimes fadvise64_64 vserver mbind get_mempolicy set_mempolicy mq_open mq_unlink mq_timedsend \
    mq_timedreceive mq_notify mq_getsetattr kexec_load waitid - add_key request_key keyctl ioprio_set ioprio_get \
    inotify_init inotify_add_watch inotify_rm_watch migrate_pages openat mkdirat mknodat fchownat futimesat \
    fstatat64 unlinkat renameat linkat symlinkat readlinkat fchmodat faccessat pselect6 ppoll unshare \
    set_robust_list get_robust_list splice sync_file_range tee vmsplice move_pages getcpu epoll_pwait utimensat \
    signalfd timerfd_create eventfd fallocate timerfd_settime timerfd_gettime signalfd4 eventfd2 epoll_create1 \
    dup3 pipe2 inotify_init1 preadv pwritev rt_tgsigqueueinfo perf_event_open recvmmsg fanotify_init fanotify_mark \
    prlimit64 name_to_handle_at open_by_handle_at clock_adjtime syncfs sendmmsg setns process_vm_readv \
    process_vm_writev kcmp finit_module sched_setattr sched_getattr renameat2 seccomp getrandom memfd_create bpf \
    execveat socket socketpair bind connect listen accept4 getsockopt setsockopt getsockname getpeername sendto \
    sendmsg recvfrom recvmsg shutdown userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect \
    pkey_alloc pkey_free statx arch_prctl io_pgetevents rseq - - - - - - semget semctl shmget shmctl shmat shmdt \
    msgget msgsnd msgrcv msgctl clock_gettime64 clock_settime64 clock_adjtime64 clock_getres_time64 \
    clock_nanosleep_time64 timer_gettime64 timer_settime64 timerfd_gettime64 timerfd_settime64 utimensat_time64 \
    pselect6_time64 ppoll_time64 - io_pgetevents_time64 recvmmsg_time64 mq_timedsend_time64 mq_timedreceive_time64 \
    semtimedop_time64 rt_sigtimedwait_time64 futex_time64 sched_rr_get_interval_time64 pidfd_send_signal \
    io_uring_setup io_uring_enter io_uring_register open_tree move_mount fsopen fsconfig fsmount fspick pidfd_open \
    clone3 close_range openat2 pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr quotactl_fd \
    landlock_create_ruleset landlock_add_rule landlock_restrict_self memfd_secret process_mrelease futex_waitv \
    set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue statmount \
    listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat listxattrat \
    removexattrat open_tree_attr file_getattr file_setattr";

/// System calls of aarch64 and riscv64 (the generic table), from 0.
const GENERIC: &str = "\
    io_setup io_destroy io_submit io_cancel io_getevents setxattr lsetxattr fsetxattr getxattr lgetxattr fgetxattr \
    listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr getcwd lookup_dcookie eventfd2 \
    epoll_create1 epoll_ctl epoll_pwait dup dup3 fcntl inotify_init1 inotify_add_watch inotify_rm_watch ioctl \
    ioprio_set ioprio_get flock mknodat mkdirat unlinkat symlinkat linkat renameat umount2 mount pivot_root \
    nfsservctl statfs fstatfs truncate ftruncate fallocate faccessat chdir fchdir chroot fchmod fchmodat fchownat \
    fchown openat close vhangup pipe2 quotactl getdents64 lseek read write readv writev pread64 pwrite64 preadv \
    pwritev sendfile pselect6 ppoll signalfd4 vmsplice splice tee readlinkat newfstatat fstat sync fsync fdatasync \
    sync_file_range timerfd_create timerfd_settime timerfd_gettime utimensat acct capget capset personality exit \
    exit_group waitid set_tid_address unshare futex set_robust_list get_robust_list nanosleep getitimer setitimer \
    kexec_load init_module delete_module timer_create timer_gettime timer_getoverrun timer_settime timer_delete \
    clock_settime clock_gettime clock_getres clock_nanosleep syslog ptrace sched_setparam sched_setscheduler \
    sched_getscheduler sched_getparam sched_setaffinity sched_getaffinity sched_yield sched_get_priority_max \
    sched_get_priority_min sched_rr_get_interval restart_syscall kill tkill tgkill sigaltstack rt_sigsuspend \
    rt_sigaction rt_sigprocmask rt_sigpending rt_sigtimedwait rt_sigqueueinfo rt_sigreturn setpriority getpriority \
    reboot setregid setgid setreuid setuid setresuid getresuid setresgid getresgid setfsuid setfsgid times setpgid \
    getpgid getsid setsid getgroups setgroups uname sethostname setdomainname getrlimit setrlimit getrusage umask \
    prctl getcpu gettimeofday settimeofday adjtimex getpid getppid getuid geteuid getgid getegid gettid sysinfo \
    mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr msgget msgctl msgrcv msgsnd semget \
    semctl semtimedop semop shmget shmctl shmat shmdt socket socketpair bind listen accept connect getsockname \
    getpeername sendto recvfrom setsockopt getsockopt shutdown sendmsg recvmsg readahead brk munmap mremap add_key \
    request_key keyctl clone execve mmap fadvise64 swapon swapoff mprotect msync mlock munlock mlockall munlockall \
    mincore madvise remap_file_pages mbind get_mempolicy set_mempolicy migrate_pages move_pages rt_tgsigqueueinfo \
    perf_event_open accept4 recvmmsg - - - - - - - - - - - - - - - - wait4 prlimit64 fanotify_init fanotify_mark \
    name_to_handle_at open_by_handle_at clock_adjtime syncfs setns sendmmsg process_vm_readv process_vm_writev \
    kcmp finit_module sched_setattr sched_getattr renameat2 seccomp getrandom memfd_create bpf execveat \
    userfaultfd membarrier mlock2 copy_file_range preadv2 pwritev2 pkey_mprotect pkey_alloc pkey_free statx \
    io_pgetevents rseq kexec_file_load - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - \
    - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - \
    - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - pidfd_send_signal io_uring_setup \
    io_uring_enter io_uring_register open_tree move_mount fsopen fsconfig fsmount fspick pidfd_open clone3 \
    close_range openat2 pidfd_getfd faccessat2 process_madvise epoll_pwait2 mount_setattr quotactl_fd \
    landlock_create_ruleset landlock_add_rule landlock_restrict_self - process_mrelease futex_waitv \
    set_mempolicy_home_node cachestat fchmodat2 map_shadow_stack futex_wake futex_wait futex_requeue statmount \
    listmount lsm_get_self_attr lsm_set_self_attr lsm_list_modules mseal setxattrat getxattrat listxattrat \
    removexattrat open_tree_attr file_getattr file_setattr";

/// Error numbers, from 0.
const ERRNO: &str = "\
    - EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY \
    EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE \
    EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP - ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST \
    ELNRNG EUNATCH ENOCSI EL2HLT EBADE EBADR EXFULL ENOANO EBADRQC EBADSLT - EBFONT ENOSTR ENODATA ETIME ENOSR \
    ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD \
    EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC EILSEQ ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ \
    EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP EPFNOSUPPORT EAFNOSUPPORT \
    EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN ENOTCONN \
    ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE EUCLEAN \
    ENOTNAM ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED \
    EKEYREJECTED EOWNERDEAD ENOTRECOVERABLE ERFKILL -";

/// Record types: number, name.
const TYPES: &str = "\
    1000 GET 1001 SET 1002 LIST 1003 ADD 1004 DEL 1005 USER 1006 LOGIN 1007 WATCH_INS 1008 WATCH_REM 1009 \
    WATCH_LIST 1010 SIGNAL_INFO 1011 ADD_RULE 1012 DEL_RULE 1013 LIST_RULES 1014 TRIM 1015 MAKE_EQUIV 1016 TTY_GET \
    1017 TTY_SET 1018 SET_FEATURE 1019 GET_FEATURE 1100 USER_AUTH 1101 USER_ACCT 1102 USER_MGMT 1103 CRED_ACQ 1104 \
    CRED_DISP 1105 USER_START 1106 USER_END 1107 USER_AVC 1108 USER_CHAUTHTOK 1109 USER_ERR 1110 CRED_REFR 1111 \
    USYS_CONFIG 1112 USER_LOGIN 1113 USER_LOGOUT 1114 ADD_USER 1115 DEL_USER 1116 ADD_GROUP 1117 DEL_GROUP 1118 \
    DAC_CHECK 1119 CHGRP_ID 1120 TEST 1121 TRUSTED_APP 1122 USER_SELINUX_ERR 1123 USER_CMD 1124 USER_TTY 1125 \
    CHUSER_ID 1126 GRP_AUTH 1127 SYSTEM_BOOT 1128 SYSTEM_SHUTDOWN 1129 SYSTEM_RUNLEVEL 1130 SERVICE_START 1131 \
    SERVICE_STOP 1132 GRP_MGMT 1133 GRP_CHAUTHTOK 1134 MAC_CHECK 1135 ACCT_LOCK 1136 ACCT_UNLOCK 1137 USER_DEVICE \
    1138 SOFTWARE_UPDATE 1200 DAEMON_START 1201 DAEMON_END 1202 DAEMON_ABORT 1203 DAEMON_CONFIG 1204 \
    DAEMON_RECONFIG 1205 DAEMON_ROTATE 1206 DAEMON_RESUME 1207 DAEMON_ACCEPT 1208 DAEMON_CLOSE 1209 DAEMON_ERR \
    1300 SYSCALL 1301 FS_WATCH 1302 PATH 1303 IPC 1304 SOCKETCALL 1305 CONFIG_CHANGE 1306 SOCKADDR 1307 CWD 1309 \
    EXECVE 1311 IPC_SET_PERM 1312 MQ_OPEN 1313 MQ_SENDRECV 1314 MQ_NOTIFY 1315 MQ_GETSETATTR 1316 KERNEL_OTHER \
    1317 FD_PAIR 1318 OBJ_PID 1319 TTY 1320 EOE 1321 BPRM_FCAPS 1322 CAPSET 1323 MMAP 1324 NETFILTER_PKT 1325 \
    NETFILTER_CFG 1326 SECCOMP 1327 PROCTITLE 1328 FEATURE_CHANGE 1329 REPLACE 1330 KERN_MODULE 1331 FANOTIFY 1332 \
    TIME_INJOFFSET 1333 TIME_ADJNTPVAL 1334 BPF 1335 EVENT_LISTENER 1336 URINGOP 1337 OPENAT2 1338 DM_CTRL 1339 \
    DM_EVENT 1400 AVC 1401 SELINUX_ERR 1402 AVC_PATH 1403 MAC_POLICY_LOAD 1404 MAC_STATUS 1405 MAC_CONFIG_CHANGE \
    1406 MAC_UNLBL_ALLOW 1407 MAC_CIPSOV4_ADD 1408 MAC_CIPSOV4_DEL 1409 MAC_MAP_ADD 1410 MAC_MAP_DEL 1411 \
    MAC_IPSEC_ADDSA 1412 MAC_IPSEC_DELSA 1413 MAC_IPSEC_ADDSPD 1414 MAC_IPSEC_DELSPD 1415 MAC_IPSEC_EVENT 1416 \
    MAC_UNLBL_STCADD 1417 MAC_UNLBL_STCDEL 1418 MAC_CALIPSO_ADD 1419 MAC_CALIPSO_DEL 1420 IPE_ACCESS 1421 \
    IPE_CONFIG_CHANGE 1422 IPE_POLICY_LOAD 1423 LANDLOCK_ACCESS 1424 LANDLOCK_DOMAIN 1425 MAC_TASK_CONTEXTS 1426 \
    MAC_OBJ_CONTEXTS 1700 ANOM_PROMISCUOUS 1701 \
    ANOM_ABEND 1702 ANOM_LINK 1703 ANOM_CREAT 1800 INTEGRITY_DATA 1801 INTEGRITY_METADATA 1802 INTEGRITY_STATUS \
    1803 INTEGRITY_HASH 1804 INTEGRITY_PCR 1805 INTEGRITY_RULE 1806 INTEGRITY_EVM_XATTR 1807 INTEGRITY_POLICY_RULE \
    2000 KERNEL 2100 ANOM_LOGIN_FAILURES 2101 ANOM_LOGIN_TIME 2102 ANOM_LOGIN_SESSIONS 2103 ANOM_LOGIN_ACCT 2104 \
    ANOM_LOGIN_LOCATION 2105 ANOM_MAX_DAC 2106 ANOM_MAX_MAC 2107 ANOM_AMTU_FAIL 2108 ANOM_RBAC_FAIL 2109 \
    ANOM_RBAC_INTEGRITY_FAIL 2110 ANOM_CRYPTO_FAIL 2111 ANOM_ACCESS_FS 2112 ANOM_EXEC 2113 ANOM_MK_EXEC 2114 \
    ANOM_ADD_ACCT 2115 ANOM_DEL_ACCT 2116 ANOM_MOD_ACCT 2117 ANOM_ROOT_TRANS 2118 ANOM_LOGIN_SERVICE 2119 \
    ANOM_LOGIN_ROOT 2120 ANOM_ORIGIN_FAILURES 2121 ANOM_SESSION 2200 RESP_ANOMALY \
    2201 RESP_ALERT 2202 RESP_KILL_PROC 2203 RESP_TERM_ACCESS 2204 RESP_ACCT_REMOTE 2205 RESP_ACCT_LOCK_TIMED 2206 \
    RESP_ACCT_UNLOCK_TIMED 2207 RESP_ACCT_LOCK 2208 RESP_TERM_LOCK 2209 RESP_SEBOOL 2210 RESP_EXEC 2211 \
    RESP_SINGLE 2212 RESP_HALT 2213 RESP_ORIGIN_BLOCK 2214 RESP_ORIGIN_BLOCK_TIMED 2215 \
    RESP_ORIGIN_UNBLOCK_TIMED 2300 USER_ROLE_CHANGE 2301 ROLE_ASSIGN 2302 \
    ROLE_REMOVE 2303 LABEL_OVERRIDE 2304 LABEL_LEVEL_CHANGE 2305 USER_LABELED_EXPORT 2306 USER_UNLABELED_EXPORT \
    2307 DEV_ALLOC 2308 DEV_DEALLOC 2309 FS_RELABEL 2310 USER_MAC_POLICY_LOAD 2311 ROLE_MODIFY 2312 \
    USER_MAC_CONFIG_CHANGE 2313 USER_MAC_STATUS 2400 CRYPTO_TEST_USER 2401 CRYPTO_PARAM_CHANGE_USER 2402 \
    CRYPTO_LOGIN 2403 CRYPTO_LOGOUT 2404 CRYPTO_KEY_USER 2405 CRYPTO_FAILURE_USER 2406 CRYPTO_REPLAY_USER 2407 \
    CRYPTO_SESSION 2408 CRYPTO_IKE_SA 2409 CRYPTO_IPSEC_SA 2500 VIRT_CONTROL 2501 VIRT_RESOURCE 2502 \
    VIRT_MACHINE_ID 2503 VIRT_INTEGRITY_CHECK 2504 VIRT_CREATE 2505 VIRT_DESTROY 2506 VIRT_MIGRATE_IN 2507 \
    VIRT_MIGRATE_OUT";

/// Operations of io_uring by the names of the system calls they stand for, from 0.
const URING: &str = "\
    nop readv writev fsync read write poll_add poll_remove sync_file_range sendmsg recvmsg timeout timeout_remove \
    accept4 async_cancel link_timeout connect fallocate openat close files_update statx read write fadvise64 madvise \
    sendto recvfrom openat2 epoll_ctl splice provide_buffers remove_buffers tee shutdown renameat2 unlinkat mkdirat \
    symlinkat linkat msg_ring fsetxattr setxattr fgetxattr getxattr socket uring_cmd sendto sendmsg";

/// The tables, split. One a decoder.
#[derive(Clone, Debug)]
pub struct Tables {
    x86_64: Vec<&'static str>,
    i386: Vec<&'static str>,
    generic: Vec<&'static str>,
    errno: Vec<&'static str>,
    uring: Vec<&'static str>,
    types: HashMap<&'static str, &'static str, RandomState>,
}

impl Default for Tables {
    fn default() -> Tables {
        Tables::new()
    }
}

/// The name of an `arch=` value (an ELF machine with flags, hexadecimal); `None` for one we have no table for.
pub fn arch_name(hex: &str) -> Option<&'static str> {
    Some(match hex {
        "c000003e" => "x86_64",
        "40000003" => "i386",
        "c00000b7" => "aarch64",
        "40000028" => "arm",
        "c0000015" => "ppc64le",
        "80000015" => "ppc64",
        "80000016" => "s390x",
        "c00000f3" => "riscv64",
        _ => return None,
    })
}

impl Tables {
    /// Split the tables.
    pub fn new() -> Tables {
        let words = |text: &'static str| text.split_ascii_whitespace().collect::<Vec<_>>();
        let mut types = HashMap::default();
        let mut rest = TYPES.split_ascii_whitespace();
        while let (Some(number), Some(name)) = (rest.next(), rest.next()) {
            types.insert(number, name);
        }
        Tables {
            x86_64: words(X86_64),
            i386: words(I386),
            generic: words(GENERIC),
            errno: words(ERRNO),
            uring: words(URING),
            types,
        }
    }

    /// The name of a system call on an architecture (as [`arch_name`] names it).
    pub fn syscall(&self, arch: &str, number: &str) -> Option<&'static str> {
        let table = match arch {
            "x86_64" => &self.x86_64,
            "i386" => &self.i386,
            "aarch64" | "riscv64" => &self.generic,
            _ => return None,
        };
        // The x32 ABI sets bit 30.
        let index = number.parse::<usize>().ok()? & !(1 << 30);
        table.get(index).copied().filter(|name| *name != "-")
    }

    /// The name of a negative `exit=` value: `-13` is `EACCES`.
    pub fn errno(&self, exit: &str) -> Option<&'static str> {
        let number = exit.strip_prefix('-')?.parse::<usize>().ok()?;
        match number {
            512 => Some("ERESTARTSYS"),
            513 => Some("ERESTARTNOINTR"),
            514 => Some("ERESTARTNOHAND"),
            516 => Some("ERESTART_RESTARTBLOCK"),
            _ => self.errno.get(number).copied().filter(|name| *name != "-"),
        }
    }

    /// The name of an io_uring operation (`uring_op=`).
    pub fn uring(&self, number: &str) -> Option<&'static str> {
        self.uring.get(number.parse::<usize>().ok()?).copied()
    }

    /// Is there a number for a record type of this name?
    pub fn knows_type(&self, name: &str) -> bool {
        self.types.values().any(|known| *known == name)
    }

    /// The name of a record type given by number, `1300` or `UNKNOWN[1300]`; a name is returned as it is.
    pub fn record_type<'a>(&self, kind: &'a str) -> &'a str {
        let number =
            kind.strip_prefix("UNKNOWN[").and_then(|rest| rest.strip_suffix(']')).unwrap_or(kind);
        self.types
            .get(number)
            .copied()
            .unwrap_or_else(|| kind.strip_prefix("AUDIT_").unwrap_or(kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn well_known_numbers() {
        let tables = Tables::new();
        assert_eq!(tables.syscall("x86_64", "59"), Some("execve"));
        assert_eq!(tables.syscall("x86_64", "322"), Some("execveat"));
        assert_eq!(tables.syscall("x86_64", "439"), Some("faccessat2"));
        assert_eq!(tables.syscall("x86_64", "452"), Some("fchmodat2"));
        assert_eq!(tables.syscall("i386", "11"), Some("execve"));
        assert_eq!(tables.syscall("aarch64", "221"), Some("execve"));
        assert_eq!(tables.syscall("x86_64", "400"), None);
        assert_eq!(tables.errno("-13"), Some("EACCES"));
        assert_eq!(tables.errno("-115"), Some("EINPROGRESS"));
        assert_eq!(tables.record_type("1300"), "SYSCALL");
        assert_eq!(tables.record_type("UNKNOWN[1334]"), "BPF");
        assert_eq!(tables.record_type("USER_CMD"), "USER_CMD");
        assert_eq!(tables.record_type("AUDIT_USER_CMD"), "USER_CMD");
        assert_eq!(tables.uring("18"), Some("openat"));
    }
}
